"""Every registered method keeps the contract; a new plugin is under it at once."""

import pytest

from clbench.contract import CHECKS, Subject
from clbench.plugin import entries
from clbench.running import load_method


@pytest.mark.parametrize("check", CHECKS)
@pytest.mark.parametrize("method", entries("methods"))
def test_contract(method: str, check: str) -> None:
    CHECKS[check](Subject.quick(load_method(method), {}))


@pytest.mark.parametrize("method", entries("methods"))
def test_a_method_is_called_what_it_is_registered_as(method: str) -> None:
    assert load_method(method).card.name == method
