"""Many runs: what is finished is kept, what breaks is reported, and the others end."""

import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clbench.archive import differences
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.settings import Settings
from clbench.studying import make_runs, share_threads
from clbench.sweep import DIED, Cell, Outcome, StreamChoice, run_cell, sweep

ODD = Path(__file__).with_name("odd_methods.py")
TINY = StreamChoice("split-digits", "synthetic,per_class=4,test_per_class=2,dim=4")


def cell(method: str, root: Path, seed: int = 0, **settings: Any) -> Cell:
    return Cell(TINY, method, seed, root, settings=Settings(**({"threads": 1} | settings)))


def odd(name: str, root: Path, seed: int = 0) -> Cell:
    return cell(f"{ODD}:{name}", root, seed)


def verdicts(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.error or "whole" for outcome in outcomes]


def written(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_mtime_ns for path in root.rglob("versions/*/*")}


class TestOneAfterTheOther:
    def test_a_finished_run_is_kept(self, tmp_path: Path) -> None:
        cells = [cell("nmc", tmp_path, seed) for seed in range(2)]
        first = sweep(cells, 1)
        before = written(tmp_path)
        assert sweep(cells, 1) == first
        assert written(tmp_path) == before

    def test_a_broken_one_is_reported_and_the_others_end(self, tmp_path: Path) -> None:
        told: list[Outcome] = []
        cells = [odd("Raises", tmp_path), odd("NaNs", tmp_path), cell("nmc", tmp_path)]
        raises, nans, fine = sweep(cells, 1, told.append)
        assert told == [raises, nans, fine]
        assert raises.error == "RuntimeError: the moon is in the wrong place"
        assert 'raise RuntimeError("the moon is in the wrong place")' in raises.trace
        assert "returned NaN" in str(nans.error)
        assert nans.trace == ""  # a sentence says it all
        assert fine.path is not None
        assert Ledger(fine.path).finished

    def test_one_that_wants_to_end_the_process_does_not(self, tmp_path: Path) -> None:
        exits, fine = sweep([odd("Exits", tmp_path), cell("nmc", tmp_path)], 1)
        assert exits.error == "SystemExit: 0"
        assert fine.error is None

    def test_what_a_method_prints_is_no_result(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        file = tmp_path / "chatty.py"
        file.write_text(
            "from clbench_methods.nmc import NMC\n"
            "class Chatty(NMC):\n"
            "    def learn(self, view):\n"
            "        print('learning')\n"
            "        super().learn(view)\n"
        )
        assert run_cell(cell(f"{file}:Chatty", tmp_path)).error is None
        printed = capsys.readouterr()
        assert (printed.out, printed.err.count("learning")) == ("", 5)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sweep")


@pytest.fixture(scope="module")
def outcomes(root: Path) -> list[Outcome]:
    """One sweep for all tests of it: processes take seconds to start."""
    methods = [odd(name, root) for name in ("Dies", "Raises", "Exits")]
    return sweep([*methods, *(cell("finetune", root, seed) for seed in range(4))], 2)


class TestSideBySide:
    def test_a_process_that_dies_is_reported_and_the_others_end(
        self, outcomes: list[Outcome]
    ) -> None:
        raises, exits = "RuntimeError: the moon is in the wrong place", "SystemExit: 0"
        assert verdicts(outcomes) == [DIED, raises, exits, *["whole"] * 4]
        assert "wrong place" in outcomes[1].trace

    def test_what_it_recorded_before_is_kept(self, outcomes: list[Outcome], root: Path) -> None:
        (run,) = (root / TINY.preset / "dies").iterdir()
        assert Ledger(run).versions == 2

    def test_the_runs_are_those_of_one_process(
        self, outcomes: list[Outcome], tmp_path: Path
    ) -> None:
        alone = run_cell(cell("finetune", tmp_path, 3)).path
        assert alone is not None
        assert outcomes[6].path is not None
        found = differences(Ledger(alone), Ledger(outcomes[6].path))
        assert set(found) <= {"run.json"}  # which names the state of the checkout


class TestThreads:
    @pytest.mark.parametrize(("lanes", "each"), [(1, 8), (2, 4), (3, 2), (8, 1), (20, 1)])
    def test_cores_are_divided(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, lanes: int, each: int
    ) -> None:
        monkeypatch.setattr("os.cpu_count", lambda: 8)
        cells = [cell("nmc", tmp_path, threads=None), cell("nmc", tmp_path, threads=5)]
        shared = share_threads(cells, lanes)
        assert [c.settings.threads for c in shared] == [each, 5]


class TestAStudy:
    def test_a_wrong_name_is_found_before_any_training(self, tmp_path: Path) -> None:
        cells = [cell("nmc", tmp_path), cell("nmcc", tmp_path)]
        with pytest.raises(ClbenchError, match="unknown method 'nmcc'"):
            make_runs(cells, 1)
        assert list(tmp_path.iterdir()) == []

    def test_a_broken_run_is_told_of_with_its_traceback(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        make_runs([odd("Raises", tmp_path), cell("nmc", tmp_path)], 1)
        told = capsys.readouterr().err
        assert "Traceback (most recent call last)" in told
        assert "broken:" in told
        assert "the moon is in the wrong place" in told


def test_a_killed_sweep_takes_its_processes_along() -> None:
    script = "import os, time, clbench.sweep as s; pool = s._one_process(); " + (
        "print(pool.submit(os.getpid).result(), flush=True); pool.submit(time.sleep, 600).result()"
    )
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE) as parent:
        assert parent.stdout
        worker = int(parent.stdout.readline())
        assert running(worker)
        parent.kill()
    deadline = time.monotonic() + 60
    while running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(worker)


def running(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"  # ended, and not yet waited for
