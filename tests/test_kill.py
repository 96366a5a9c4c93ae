"""Kill a run at any moment: started again it ends with the bytes of an undisturbed one."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

KILLING = Path(__file__).with_name("killing.py")
MOMENTS = 20


def kills(folder: Path, *options: str) -> list[dict[str, Any]]:
    command = [sys.executable, str(KILLING), str(folder), "0", *options]
    found: list[dict[str, Any]] = json.loads(
        subprocess.run(command, stdout=subprocess.PIPE, check=True, timeout=500).stdout
    )
    return found


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    return kills(tmp_path_factory.mktemp("kills"), str(MOMENTS))


def test_every_continued_run_has_the_bytes_of_an_undisturbed_one(
    found: list[dict[str, Any]],
) -> None:
    assert {each["kill"]: each["wrong"] for each in found if each["wrong"]} == {}


def test_kills_strike_in_every_phase(found: list[dict[str, Any]]) -> None:
    chosen = [each for each in found if not each["kill"].startswith("at ")]
    assert [each["kill"] for each in chosen if not each["struck"]] == []
    assert {each["whole"] for each in chosen} >= {0, 1, 2}


def test_kills_strike_at_random_moments(found: list[dict[str, Any]]) -> None:
    random = [each for each in found if each["kill"].startswith("at ") and each["struck"]]
    assert len(random) == MOMENTS
    assert len({each["whole"] for each in random}) >= 3  # spread over the run


def test_a_ledger_that_wrote_versions_in_place_would_be_caught(tmp_path: Path) -> None:
    assert any(each["wrong"] for each in kills(tmp_path, "0", "naive"))
