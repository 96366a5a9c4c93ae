"""One process or one a core: by what a step takes, and what processes take to start."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from ensembles import MLP, assert_same, forgetting, job, trained, vectors

from clbench.ensemble import weigh as module
from clbench.ensemble.choose import Choice, Timing
from clbench.ensemble.job import Room
from clbench.ensemble.members import plan
from clbench.ensemble.trainer import TRIAL
from clbench.ensemble.weigh import START_SECONDS, weigh
from clbench.errors import ClbenchError

STREAM, COUNT = forgetting(), 8
PLAN = plan("originals", STREAM, vectors(), COUNT)
JOB = replace(job(PLAN, STREAM, vectors()), threads=None)


def weighed(
    monkeypatch: pytest.MonkeyPatch, together: float, alone: float, cores: int = 4, **changes: Any
) -> tuple[int, Choice]:
    """With a whole that takes so many seconds on all threads, and on one."""

    def timed(room: Any, members: Any, program: Any) -> Choice:
        whole = alone if torch.get_num_threads() == 1 else together
        timing = Timing("bmm", len(members), whole / total)
        return Choice("bmm", len(members), (timing,))

    total = sum(module.steps_of(JOB.recipe, member) for member in PLAN.members)
    monkeypatch.setattr(module, "choose", timed)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        return weigh(Room(replace(JOB, **changes)), PLAN.members, cores=cores)
    finally:
        assert torch.get_num_threads() == 2
        torch.set_num_threads(before)


def test_processes_are_taken_where_they_are_faster_by_more_than_they_take_to_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spread, choice = weighed(monkeypatch, together=100, alone=120)
    assert (spread, choice.group) == (4, COUNT // 4)
    assert weighed(monkeypatch, together=100, alone=4 * (100 - START_SECONDS) - 1)[0] == 4
    assert weighed(monkeypatch, together=100, alone=4 * (100 - START_SECONDS) + 1)[0] == 1


@pytest.mark.parametrize(
    ("case", "changes"),
    [
        ({"together": 2 * START_SECONDS - 1, "alone": 0}, {}),
        ({"together": 100, "alone": 0, "cores": 1}, {}),
        ({"together": 100, "alone": 0}, {"threads": 2}),  # asked for
    ],
)
def test_one_process_where_there_is_nothing_to_win(
    monkeypatch: pytest.MonkeyPatch, case: dict[str, Any], changes: dict[str, Any]
) -> None:
    spread, choice = weighed(monkeypatch, **case, **changes)
    assert (spread, choice.group) == (1, COUNT)


def test_what_was_weighed_is_what_trains(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    choice = Choice("loop", 1, (Timing("loop", 1, 0.1),))
    monkeypatch.setattr("clbench.ensemble.trainer.weigh", lambda *given: (2, choice))
    spread = trained(tmp_path / "spread", on="auto", program=None)
    assert '"processes": 2' in (spread.path / TRIAL).read_text()
    assert_same(spread, trained(tmp_path / "plain", on="serial", program="loop"), atol=1e-5)


def test_a_program_that_cannot_is_refused() -> None:
    with pytest.raises(ClbenchError, match="grouped"):
        weigh(Room(job(PLAN, STREAM, vectors(), MLP)), PLAN.members, "grouped")
