import json

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.grouping import group_records
from clbench.score import score_runs
from crowds import forgetting, gaussian, write_crowd

NAMES = ["final_accuracy", "forget_gap", "forget_margin_shift", "klom_forget"]


def crowd(root, method: str, n: int, shift: float = 0.0, **changes):
    margins = [gaussian(n, 3, seed=7), gaussian(n, shift, seed=len(method), only="forget")]
    return write_crowd(root / method, method, margins, **changes)


@pytest.fixture
def runs(tmp_path):
    found = crowd(tmp_path, "retrain", 8) + crowd(tmp_path, "do_nothing", 4, 3)
    return found + crowd(tmp_path, "ascent", 4, -4) + crowd(tmp_path, "shy", 4, 3)


def rows(ledgers, names=NAMES):
    return {row.label: row for row in score_runs(ledgers, names).groups}


def test_each_set_up_of_a_stream_that_forgets_has_a_row_controls_last(runs):
    found = rows(runs)
    assert list(found) == ["ascent", "shy", "do_nothing", "retrain"]
    assert found["ascent"].seeds == (0, 1, 2, 3)
    assert set(found["ascent"].scores) == set(NAMES[1:])
    assert {row.oracles for row in found.values()} == {"retrain"}


def test_a_row_says_in_which_direction_it_misses_the_oracles(runs):
    found = rows(runs)
    assert (found["ascent"].flag, found["shy"].flag) == ("over-unlearned", "remembers")
    assert (found["retrain"].flag, found["retrain"].flag_sizes) == ("", {})


def test_the_size_of_a_flag_is_the_distance_from_the_null(runs):
    """Margins of oracles have an sd of 1 at each point, and ascent lies 4 below them."""
    found = rows(runs)
    score, sizes = found["ascent"].scores["forget_gap"], found["ascent"].flag_sizes
    assert sizes["forget_gap"] == pytest.approx(score.value - score.null)
    assert sizes["forget_gap"] < -0.5
    assert -8 < sizes["forget_margin_shift"] < -3
    assert found["shy"].flag_sizes["forget_margin_shift"] > 2


def test_a_row_is_flagged_whatever_is_shown_of_it(runs):
    assert rows(runs, ["test_accuracy"])["ascent"].flag == "over-unlearned"


def test_measures_that_differ_in_direction_are_told_apart(tmp_path):
    """Sure of most that was to be forgotten, and wrong on more than the oracles are."""
    split = gaussian(6, 9, seed=3, only="forget")
    split[:, :3] = -0.1
    oracles = crowd(tmp_path, "retrain", 12, 1)
    ledgers = oracles + write_crowd(tmp_path, "split", [split, split])
    row = rows(ledgers)["split"]
    assert row.flag == "both"
    assert row.flag_sizes["forget_gap"] < 0 < row.flag_sizes["forget_margin_shift"]


def test_few_models_are_marked_in_every_row(runs):
    scores = [row.scores["klom_forget"] for row in rows(runs).values()]
    assert all(score.under_powered for score in scores)
    assert [score.n for score in scores] == [4, 4, 4, 4]


def test_a_stream_that_forgets_nothing_has_no_rows(tmp_path):
    stream = forgetting(kinds=("learn", "learn"))
    margins = [gaussian(1, seed=1), gaussian(1, seed=2)]
    assert rows(write_crowd(tmp_path, "er", margins, stream)) == {}


def test_oracles_of_another_stream_or_source_do_not_count(tmp_path):
    other = forgetting(source_fingerprint="1" * 64)
    ledgers = crowd(tmp_path, "ascent", 4) + crowd(tmp_path / "o", "retrain", 4, stream=other)
    score = rows(ledgers)["ascent"].scores["forget_gap"]
    assert (score.value, score.why) == (None, "no finished run of retrain on this stream")


def test_oracles_of_another_recipe_are_refused_with_what_differs(tmp_path):
    recipes = [{"backbone": "mlp", "training": {"lr": lr}} for lr in (0.1, 0.5)]
    ledgers = crowd(tmp_path, "ascent", 4, hyperparameters=recipes[0])
    ledgers += crowd(tmp_path, "retrain", 4, hyperparameters=recipes[1])
    score = rows(ledgers)["ascent"].scores["forget_gap"]
    assert score.value is None
    assert score.why == "retrain was trained otherwise: training.lr 0.5, not 0.1"


def test_of_several_oracles_those_of_the_same_recipe_are_taken(tmp_path):
    recipes = [{"training": {"lr": lr}} for lr in (0.1, 0.5)]
    ledgers = crowd(tmp_path, "ascent", 4, hyperparameters=recipes[1])
    for i, each in enumerate(recipes):
        ledgers += crowd(tmp_path / f"{i}", "retrain", 4, hyperparameters=each)
    assert rows(ledgers)["ascent"].oracles == "retrain (training.lr=0.5)"
    twice = crowd(tmp_path / "2", "retrain", 4, hyperparameters={**recipes[1], "extra": 1})
    score = rows(ledgers + twice)["ascent"].scores["forget_gap"]
    assert "2 set-ups of retrain with this recipe" in score.why


def test_where_several_updates_teach_doing_nothing_is_ignoring_requests(tmp_path):
    """There do_nothing stops after the first, and is not what unlearning starts from."""
    stream = forgetting(kinds=("learn", "learn", "forget"))
    before = gaussian(4, 3, seed=7)

    def several(method: str, shift: float):
        last = gaussian(4, shift, seed=len(method), only="forget")
        return write_crowd(tmp_path / method, method, [before, before, last], stream)

    first = np.repeat(before, 2, axis=0)
    oracles = write_crowd(tmp_path / "r", "retrain", [first, first, gaussian(8, seed=2)], stream)
    ledgers = oracles + several("ascent", -4) + several("do_nothing", 1)
    score = rows(ledgers)["ascent"].scores["forget_margin_shift"]
    assert (score.do_nothing, score.fraction) == (None, None)
    assert score.why == "no finished run of ignore_requests on this stream"
    ledgers += several("ignore_requests", 3)
    found = rows(ledgers)
    score = found["ascent"].scores["forget_margin_shift"]
    assert score.do_nothing == found["ignore_requests"].scores["forget_margin_shift"].value
    assert found["ignore_requests"].scores["forget_margin_shift"].fraction == pytest.approx(0)


def test_why_a_control_is_not_used_is_told(tmp_path):
    recipes = [{"training": {"lr": lr}} for lr in (0.1, 0.5)]
    ledgers = crowd(tmp_path, "ascent", 4, hyperparameters=recipes[0])
    ledgers += crowd(tmp_path, "retrain", 4, hyperparameters=recipes[0])
    ledgers += crowd(tmp_path, "do_nothing", 4, hyperparameters=recipes[1])
    score = rows(ledgers)["ascent"].scores["forget_gap"]
    assert "do_nothing was trained otherwise: training.lr 0.5, not 0.1" in score.why


def test_rows_survive_json(runs):
    (record, *_) = json.loads(json.dumps(group_records(score_runs(runs, NAMES).groups)))
    assert record["label"] == "ascent"
    assert (record["flag"], set(record["flag_sizes"])) == (
        "over-unlearned",
        {"forget_gap", "forget_margin_shift"},
    )
    assert record["scores"]["forget_gap"]["n"] == 4
    assert record["scores"]["forget_gap"]["told_apart"] is True


def test_names_choose_among_both_kinds_of_metrics(runs):
    scores = score_runs(runs[:1], ["final_accuracy", "forget_gap"])
    assert (list(scores.metrics), list(scores.group_metrics)) == (
        ["final_accuracy"],
        ["forget_gap"],
    )
    assert not score_runs(runs[:1], ["final_accuracy"]).groups
    with pytest.raises(
        ClbenchError, match="unknown metric 'klom_forgot'; did you mean 'klom_forget"
    ):
        score_runs([], ["klom_forgot"])


def test_progress_counts_runs_and_then_set_ups(runs):
    heard = []
    score_runs(runs, NAMES[1:2], progress=lambda *done: heard.append(done))
    assert heard == [(i, len(runs) + 4) for i in range(1, len(runs) + 5)]
