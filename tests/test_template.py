"""What `clbench new-method` writes is a method that works, lints, and keeps the contract."""

import subprocess
import sys
from pathlib import Path

import pytest

from clbench.contract import checks_of
from clbench.errors import ClbenchError
from clbench.running import load_method
from clbench.template import write_method

ROOT = Path(__file__).parent.parent


def command(*arguments: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )


@pytest.fixture(scope="module", params=[False, True], ids=["learns", "forgets"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("mine")
    (folder / "pytest.ini").write_text("[pytest]\n")  # settings from around would count else
    files = write_method("my_method", folder, forgets=request.param)
    assert files == (folder / "my_method.py", folder / "test_my_method.py")
    return folder


def test_the_method_can_be_named_by_its_file(written: Path) -> None:
    assert load_method(f"{written / 'my_method.py'}:MyMethod").card.name == "my_method"


def test_its_own_tests_pass_with_warnings_as_errors(written: Path) -> None:
    found = command("pytest", "-q", "-W", "error", "-p", "no:cacheprovider", folder=written)
    assert found.returncode == 0, found.stdout
    checks = checks_of(load_method(f"{written / 'my_method.py'}:MyMethod"))
    assert f"{len(checks) + 1} passed" in found.stdout


def test_its_files_pass_ruff_as_this_project_configures_it(written: Path) -> None:
    config = ("--config", ROOT / "pyproject.toml", "--no-cache")
    checked = command(
        "ruff", "check", *config, "--extend-per-file-ignores", "test_*.py:D1", ".", folder=written
    )
    assert checked.returncode == 0, checked.stdout
    formatted = command("ruff", "format", "--check", *config, ".", folder=written)
    assert formatted.returncode == 0, formatted.stdout


def test_no_file_is_overwritten(tmp_path: Path) -> None:
    write_method("my_method", tmp_path)
    (tmp_path / "my_method.py").write_text("mine")
    with pytest.raises(ClbenchError, match=r"my_method.py exists already; choose another"):
        write_method("my_method", tmp_path)
    assert (tmp_path / "my_method.py").read_text() == "mine"

    (tmp_path / "test_other.py").write_text("mine")
    with pytest.raises(ClbenchError, match=r"test_other.py exists already"):
        write_method("other", tmp_path)
    assert not (tmp_path / "other.py").exists()


@pytest.mark.parametrize(
    "name", ["MyMethod", "my-method", "2nd", "", "class", "a.b", "../up", "a b"]
)
def test_a_name_that_is_no_module_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(ClbenchError, match="cannot name a module; use lower case"):
        write_method(name, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("name", "owner"),
    [
        ("ewc", "a registered method"),
        ("network", "a class 'Network', which the file imports"),
        ("subject", "a class 'Subject', which the file imports"),
        ("none", "a class 'None', which Python does not allow"),
        ("exception", "a class 'Exception'"),
        ("_", "a class ''"),
        ("torch", "an installed module, which the file would hide"),
        ("random", "an installed module"),
        ("__main__", "an installed module"),
    ],
)
def test_a_name_that_is_taken_is_refused(tmp_path: Path, name: str, owner: str) -> None:
    with pytest.raises(ClbenchError, match=f"is the name of {owner}.*choose another"):
        write_method(name, tmp_path)
    assert not list(tmp_path.iterdir())
