import json
from dataclasses import replace

import pytest

from clbench.audit.playing import audit
from clbench.errors import ClbenchError
from clbench.settings import Settings
from clbench.sweep import StreamChoice

QUICK = StreamChoice(
    "forget-digits-random", protocol={"epochs": 1}, recipe={"training": {"batch_size": 256}}
)


def test_faults_are_played_beside_their_oracles_and_scored(tmp_path):
    names = ["forget_gap", "test_gap", "head_recovery"]
    found = audit(QUICK, 2, tmp_path, 1, Settings(threads=1, relearn=True), names)
    assert list(found.scores) == ["untouched", "head only", "half", "destroyed", "again", "nothing"]
    assert (found.seeds, found.oracles) == (2, 4)
    assert all(score.value is not None for each in found.scores.values() for score in each.values())
    assert abs(found.scores["head only"]["forget_gap"].value) < 0.1
    assert found.scores["destroyed"]["test_gap"].value < 0
    recovered = {fault: each["head_recovery"].value for fault, each in found.scores.items()}
    assert recovered["head only"] == recovered["untouched"] != recovered["again"]
    runs = [json.loads(file.read_text()) for file in tmp_path.rglob("run.json")]
    seeds = {run["seed"] for run in runs if run["method"]["name"] == "planted_nothing"}
    assert seeds == {4, 5}  # no oracle has these


def test_where_tasks_come_in_turn_untouched_is_what_ignores_requests(tmp_path):
    """do_nothing knows the first task alone there, and would be another model."""
    task = replace(QUICK, preset="forget-digits-task")
    found = audit(task, 1, tmp_path, 1, Settings(threads=1), names=["test_accuracy"])
    score = found.scores["untouched"]["test_accuracy"]
    assert score.value == score.do_nothing


def test_a_stream_that_forgets_nothing_is_refused_before_any_training(tmp_path):
    with pytest.raises(ClbenchError, match="faults are planted in streams that forget"):
        audit(StreamChoice("split-digits"), 2, tmp_path, 1)
    assert not any(tmp_path.iterdir())


def test_metrics_of_single_runs_are_refused(tmp_path):
    with pytest.raises(ClbenchError, match="final_accuracy: some are metrics of single runs"):
        audit(QUICK, 2, tmp_path, 1, names=["forget_gap", "final_accuracy"])
