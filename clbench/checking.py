"""`clbench check`: the contract, printed check by check."""

import inspect
import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape

from clbench.contract import BrokenContract, Subject, checks_of
from clbench.errors import ClbenchError
from clbench.method import make_method
from clbench.running import load_method


def print_contract(name: str, hyperparameters: Mapping[str, Any], *, as_json: bool) -> bool:
    """Check a method and print each verdict as it falls; whether the contract is kept."""
    kind = load_method(name)
    make_method(kind, hyperparameters)  # a wrong hyperparameter is no broken contract
    subject, console, verdicts = Subject.quick(kind, hyperparameters), Console(), []
    if kind.quick and not as_json:
        console.print(f"with {_settings(subject)}, to be quick; --set overrules", highlight=False)
    for title, check in checks_of(kind).items():
        fault = _fault(check, subject)
        verdicts.append({"check": title, "kept": not fault, "fault": fault})
        if not as_json:
            mark = "[red]broken[/]" if fault else "[green]kept[/]  "
            about = fault or (inspect.getdoc(check) or "")
            console.print(f"{mark} {title.replace('_', ' ')}: {escape(about)}", highlight=False)
    if as_json:
        print(json.dumps(verdicts, indent=2))
    return all(verdict["kept"] for verdict in verdicts)


def _settings(subject: Subject) -> str:
    return ", ".join(f"{name}={subject.hyperparameters[name]}" for name, _ in subject.kind.quick)


def _fault(check: Any, subject: Subject) -> str:
    try:
        check(subject)
    except (BrokenContract, ClbenchError) as error:
        return str(error)
    except Exception as error:  # the author's own fault is a verdict, not a crash
        return f"{type(error).__name__}: {error}"
    return ""
