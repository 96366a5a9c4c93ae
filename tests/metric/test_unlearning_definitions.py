"""What every public function about unlearned models says: definition, direction, range, paper."""

import importlib
import inspect
import re

import pytest

MODULES = ["margins", "klom", "margin_distance", "roc", "ulira", "rmia", "signals", "attack"]
MODULES += ["epsilon", "unlearning", "collateral", "output_distance", "relearning"]
MODULES += ["trained_attacks"]
HELPERS = {"blocks", "whole", "check", "at_least", "scores", "bin_counts"}


def functions() -> list[tuple[str, object]]:
    """Public functions of the modules that define them, but those that hand arrays around."""
    found = []
    for name in MODULES:
        module = importlib.import_module(f"clbench.metric.{name}")
        for word, value in vars(module).items():
            own = inspect.isfunction(value) and value.__module__ == module.__name__
            if own and not word.startswith("_") and word not in HELPERS:
                found.append((f"{name}.{word}", value))
    return found


@pytest.mark.parametrize("function", [f for _, f in functions()], ids=[n for n, _ in functions()])
def test_it_tells_direction_range_and_paper(function):
    text = " ".join(inspect.getdoc(function).split())
    told = re.search(r"Direction: (higher|lower|neither|as)[^;]*; range: [^;]+; paper: \S+", text)
    assert told, text
    first = inspect.getdoc(function).splitlines()[0]
    assert first[0].isalnum() or first[0] in "-"
    assert first.endswith((".", "]")), first
