from pathlib import Path

import pytest

from clbench.errors import ClbenchError
from clbench.paths import cache_dir, data_dir, find, located


def test_the_folders_have_defaults_in_the_home_and_working_directory(
    monkeypatch: pytest.MonkeyPatch,
):
    monkeypatch.delenv("CLBENCH_CACHE")
    monkeypatch.delenv("CLBENCH_DATA")
    assert cache_dir() == Path.home() / ".cache" / "clbench"
    assert data_dir() == Path("data")


def test_a_path_is_looked_for_as_given_and_then_under_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data" / "set").mkdir(parents=True)
    assert located("set") == tmp_path / "data" / "set"
    (tmp_path / "set").mkdir()
    assert located("set") == tmp_path / "set"


def test_what_is_found_nowhere_is_named_with_both_places(tmp_path: Path):
    assert located("absent") is None
    with pytest.raises(ClbenchError, match=f"no folder absent in .* data folder {tmp_path}/data"):
        find("absent", "folder")
