"""`clbench check` prints a verdict for each check, whatever a method does."""

import json
from collections.abc import Callable

import pytest

from clbench import checking
from clbench.checking import print_contract
from clbench.contract import BrokenContract, Subject
from clbench.errors import ClbenchError


def raising(error: Exception) -> Callable[[Subject], None]:
    def check(subject: Subject) -> None:
        """Never holds."""
        raise error

    return check


def holds(subject: Subject) -> None:
    """Always holds."""


@pytest.fixture
def checks(monkeypatch: pytest.MonkeyPatch) -> dict[str, Callable[[Subject], None]]:
    chosen: dict[str, Callable[[Subject], None]] = {"does_hold": holds}
    monkeypatch.setattr(checking, "checks_of", lambda kind: chosen)
    return chosen


def test_a_kept_contract_is_printed_with_what_was_checked(
    checks: object, capsys: pytest.CaptureFixture[str]
) -> None:
    assert print_contract("finetune", {}, as_json=False)
    assert capsys.readouterr().out.split() == ["kept", "does", "hold:", "Always", "holds."]


def test_a_broken_contract_is_printed_with_the_fault(
    checks: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    checks["is_broken"] = raising(BrokenContract("it [forgets]; do not"))
    assert not print_contract("finetune", {}, as_json=False)
    assert "broken is broken: it [forgets]; do not" in capsys.readouterr().out


def test_json_has_every_verdict(
    checks: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    checks["is_refused"] = raising(ClbenchError("no such stream"))
    checks["crashes"] = raising(KeyError("x"))
    assert not print_contract("finetune", {}, as_json=True)
    assert json.loads(capsys.readouterr().out) == [
        {"check": "does_hold", "kept": True, "fault": ""},
        {"check": "is_refused", "kept": False, "fault": "no such stream"},
        {"check": "crashes", "kept": False, "fault": "KeyError: 'x'"},
    ]


def test_a_costly_method_is_checked_with_its_quick_settings_unless_told_otherwise(
    checks: dict[str, Callable[[Subject], None]], capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[Subject] = []
    checks["is_seen"] = seen.append
    assert print_contract("gdumb", {}, as_json=False)
    assert "with passes=8, to be quick; --set overrules" in capsys.readouterr().out
    print_contract("gdumb", {"passes": 2, "buffer": 50}, as_json=True)
    print_contract("finetune", {}, as_json=True)
    assert [subject.hyperparameters for subject in seen] == [
        {"passes": 8},
        {"passes": 2, "buffer": 50},
        {},
    ]


def test_a_wrong_hyperparameter_is_no_broken_contract(checks: object) -> None:
    with pytest.raises(ClbenchError, match="did you mean 'buffer'"):
        print_contract("er", {"bufer": 3}, as_json=True)
