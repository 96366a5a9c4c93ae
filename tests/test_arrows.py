"""The arrows of the design's picture, read from import statements; nothing is imported.

Source -> Stream -> play(Method) -> Ledger -> Metrics -> Board / Report
"""

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"clbench": ROOT, "clbench_methods": ROOT / "methods"}
PACKAGES["clbench_scenarios"] = ROOT / "scenarios"
LEFT = ("play", "view", "method", "model", "memory", "answers", "cost", "state", "samples")
LEFT += ("augment", "recording", "source", "stream", "document", "ledger", "record", "prediction")
LEFT += ("interop", "panel", "prober", "tracefile")
LEFT += ("budget", "counter", "live", "spending")
RIGHT = ("metric", "evidence", "reading", "measure", "score", "statistics", "summary", "compare")
RIGHT += ("pairing", "label", "report", "tracing")
LEFT += ("tunable", "ensemble")
LEFT += ("relearning", "relearnfile")
LEFT += ("layerfile", "tapping")
LEFT += ("protocol", "serving", "grants", "requests", "retraining", "questions", "books")
RIGHT += ("alike",)
RIGHT += ("given", "relearnt")
RIGHT += ("crowd", "recorded", "sides", "bench", "groupscore", "grouping", "attacked")
RIGHT += ("by_set", "recipes")
RIGHT += ("update_flips",)
RIGHT += ("galleries", "inside", "layers", "layer_printing")
PLAYERS = ("play", "view", "method", "model", "memory", "answers", "cost", "state", "samples")
PLAYERS += ("augment", "running", "sweep", "studying", "contract", "subject")
PLAYERS += ("prober", "serving", "questions", "books", "checks")
PLAYERS += ("tapping", "interop", "counter", "live", "spending", "relearning")


def modules() -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for package, folder in PACKAGES.items():
        for file in (folder / package).rglob("*.py"):
            parts = file.relative_to(folder).with_suffix("").parts
            found[".".join(parts).removesuffix(".__init__")] = file
    return found


MODULES = modules()


def imports(module: str, *, everywhere: bool) -> set[str]:
    """What a module imports, at its top or also inside of functions; `a.b` if it is a module."""
    tree = ast.parse(MODULES[module].read_bytes())
    found = set()
    for node in ast.walk(tree) if everywhere else at_import(tree.body):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module} imports relatively"
            base = str(node.module)
            full = {f"{base}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else base for name in full}
    return found


def at_import(body: list[ast.stmt]) -> Iterator[ast.AST]:
    """Statements that run when a module is imported."""
    for node in body:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if not isinstance(node, ast.FunctionDef):
            yield node
            yield from at_import([n for n in ast.iter_child_nodes(node) if isinstance(n, ast.stmt)])


@cache
def reached(module: str) -> frozenset[str]:
    """All that importing a module imports, its own packages included."""
    seen: set[str] = set()
    waiting = [module]
    while waiting:
        name = waiting.pop()
        for found in imports(name, everywhere=False):
            parents = {found[:i] for i, c in enumerate(found) if c == "."} | {found}
            waiting += [p for p in parents if p in MODULES and p not in seen]
            seen |= parents
    return frozenset(seen)


def of(rooms: tuple[str, ...]) -> list[str]:
    """The modules of some rooms."""
    heads = {f"clbench.{room}" for room in rooms}
    return sorted(m for m in MODULES if ".".join(m.split(".")[:2]) in heads)


def test_every_room_that_is_named_here_is_there() -> None:
    for room in {*LEFT, *RIGHT, *PLAYERS}:
        assert of((room,)), f"clbench.{room} is gone; take it out of the lists"


@pytest.mark.parametrize("module", of(RIGHT))
def test_right_of_the_ledger_nothing_trains_or_predicts(module: str) -> None:
    assert not {m for m in reached(module) if m.split(".")[0] in ("torch", "timm")}
    own = imports(module, everywhere=True)
    assert not own & {"torch", "timm", "clbench_methods", *of(PLAYERS)}


@pytest.mark.parametrize("module", of(LEFT))
def test_left_of_the_ledger_nothing_knows_what_a_metric_is(module: str) -> None:
    assert not imports(module, everywhere=True) & set(of(RIGHT))
    assert not reached(module) & set(of(RIGHT))


@pytest.mark.parametrize("module", of(("metric",)))
def test_metrics_are_handed_arrays_and_fetch_nothing(module: str) -> None:
    beyond = of(("ledger", "archive", "evidence", "measure", "score", "summary", "report"))
    assert not imports(module, everywhere=True) & set(beyond)


DOCUMENTS = ("stream", "document", "ledger", "record", "prediction", "panel", "tracefile")
DOCUMENTS += ("relearnfile", "layerfile", "protocol", "grants", "requests", "retraining")


@pytest.mark.parametrize("module", of(DOCUMENTS))
def test_documents_are_read_without_torch(module: str) -> None:
    assert "torch" not in reached(module)


@pytest.mark.parametrize("module", ["clbench.cli", "clbench.catalogue", "clbench.listing"])
def test_help_and_list_do_without_what_loads_slowly(module: str) -> None:
    assert not {"torch", "numpy", "pandas"} & reached(module)


@pytest.mark.parametrize("module", [m for m in sorted(MODULES) if m.startswith("clbench_")])
def test_plugins_come_through_the_door(module: str) -> None:
    engine = [m for m in MODULES if m == "clbench" or m.startswith("clbench.")]
    for name in engine:
        assert module not in imports(name, everywhere=True), f"{name} imports {module}"


def test_no_module_imports_itself_by_a_detour() -> None:
    assert [m for m in sorted(MODULES) if m in reached(m) and not is_package(m)] == []


def is_package(module: str) -> bool:
    return MODULES[module].name == "__init__.py"
