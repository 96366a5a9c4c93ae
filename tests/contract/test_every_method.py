"""Every registered method keeps the contract; a new plugin is under it at once."""

from typing import Any

import pytest

from clbench.contract import CHECKS, Subject
from clbench.plugin import entries
from clbench.running import load_method

QUICK: dict[str, dict[str, Any]] = {  # whose defaults take many steps for each stored sample
    "gdumb": {"passes": 8},
    "mer": {"batches": 1, "k": 3},
}


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("method", entries("methods"))
def test_contract(method: str, check: str) -> None:
    CHECKS[check](Subject(load_method(method), QUICK.get(method, {})))


@pytest.mark.parametrize("method", entries("methods"))
def test_a_method_is_called_what_it_is_registered_as(method: str) -> None:
    assert load_method(method).card.name == method
