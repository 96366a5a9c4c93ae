"""What methods/README.md tells method authors is so."""

import dataclasses
import re
import subprocess
import sys
from pathlib import Path

import pytest

from clbench import method
from clbench.contract import CHECKS, Subject
from clbench.memory import Reservoir
from clbench.method import Batch, Method, Network, View
from clbench.model.importance import QuadraticAnchor
from clbench.running import load_method

GUIDE = (Path(__file__).parent.parent / "methods" / "README.md").read_text()


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The method that the guide shows, as a file."""
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    file = tmp_path_factory.mktemp("guide") / "my_method.py"
    file.write_text(f'"""The method that the guide shows."""\n\n{code}')
    return file


def test_the_method_it_shows_keeps_the_contract_in_forty_lines(shown: Path) -> None:
    kind = load_method(f"{shown}:MyMethod")
    assert len(shown.read_text().splitlines()) <= 40
    for check in CHECKS.values():
        check(Subject(kind, {"backbone": "mlp,width=16"}))


def test_the_method_it_shows_has_no_lint(shown: Path) -> None:
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache"]
    options = ["--line-length", "100", "--select", "E,F,I,W"]
    found = subprocess.run(
        [*command, *options, shown], cwd=shown.parent, capture_output=True, text=True
    )
    assert found.returncode == 0, found.stdout


def table(head: str) -> set[str]:
    """Names in the first column of a table, without their arguments."""
    rows = GUIDE.split(f"| `{head}` | |\n|---|---|\n")[1].split("\n\n")[0].splitlines()
    cells = [re.findall(r"`([^`]+)`", row.split("|")[1]) for row in rows]
    return {name.partition("(")[0] for cell in cells for name in cell}


def test_it_lists_what_a_batch_has() -> None:
    fields = {field.name for field in dataclasses.fields(Batch)}
    assert table("batch.") == fields | {"len"}


def test_it_lists_what_a_view_has() -> None:
    named = {*re.findall(r"self\.([a-z]\w*)(?:, | = |:)", view_source())}
    public = {name for name in vars(View) if not name.startswith("_")}
    assert table("view.") == named - {"read"} | public | {"len"}


def view_source() -> str:
    return Path(sys.modules[View.__module__].__file__ or "").read_text()


def test_the_tools_it_names_exist() -> None:
    for name in re.findall(r"`(clbench\.[\w.]+)\b", GUIDE):
        module, _, attribute = name.rpartition(".")
        if module != "clbench":
            imported = __import__(module, fromlist=[attribute])
            assert hasattr(imported, attribute), name
    for owner, names in (
        (Network, ("grow", "embed", "n_classes", "frozen_copy")),
        (Reservoir, ("add", "sample")),
        (QuadraticAnchor, ("penalty", "add", "merge")),
        (Method, ("build", "learn", "predict", "embed", "state", "load")),
    ):
        assert all(name in GUIDE and hasattr(owner, name) for name in names)
    assert all(hasattr(method, name) for name in method.__all__)


def test_it_counts_the_checks() -> None:
    assert f"the contract, {len(CHECKS)} checks" in GUIDE
