import json
import re
from pathlib import Path

import numpy as np
import pytest

from clbench import plugin, score
from clbench.archive import find_ledgers
from clbench.errors import ClbenchError
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.measure import Score
from clbench.metric import metric
from clbench.score import RunScores, Scores, score_runs
from clbench.summary import Cell, Row, summarise, to_records
from fakes import answers, random_run, run_record, stream_record, write_run

STREAM = stream_record(classes=[(0, 1), (2, 3)], sizes=[4, 2])
PERFECT = answers(STREAM, [], [0, 1, 0, 1], [0, 1, 0, 1, 2, 3])
FORGETFUL = answers(STREAM, [], [0, 1, 0, 1], [2, 3, 2, 3, 2, 3])


def run(folder: Path, logits=PERFECT, **changes) -> Ledger:
    return write_run(folder, STREAM, logits, **changes)


def plugin_file(folder: Path, body: str, name: str = "mine") -> str:
    """A file with a metric, as `file.py:name`."""
    folder.mkdir(exist_ok=True)
    text = "from clbench.metric import NotMeasured, metric\n\n\n"
    text += f"@metric(direction='lower', range=(0, 1))\ndef {name}{body}\n"
    (folder / "plug.py").write_text(text)
    return f"{folder / 'plug.py'}:{name}"


# -- scores of runs -------------------------------------------------------------------------


def test_every_registered_metric_is_scored_or_says_why_not(tmp_path):
    (scored,) = score_runs([run(tmp_path, FORGETFUL)], every=True).runs
    assert set(scored.values) == set(plugin.entries("metrics"))
    values = {name: score.value for name, score in scored.values.items()}
    assert values["final_accuracy"] == 2 / 6
    assert values["average_accuracy"] == 0.5
    assert values["forgetting_from_peak"] == 1
    assert values["negative_flip_rate"] == 1
    for each in scored.values.values():
        assert (each.value is None) == bool(each.why)


def test_what_is_not_defined_is_none_with_a_reason(tmp_path):
    (scored,) = score_runs([run(tmp_path)]).runs
    transfer, flips = scored.values["forward_transfer"], scored.values["negative_flip_impact"]
    assert (transfer.value, flips.value) == (None, None)
    assert transfer.why.startswith("version 0 was not asked")
    assert flips.why == "the new model was never wrong"


def test_joint_is_found_among_the_runs_by_stream_and_seed(tmp_path):
    joint = run(tmp_path / "joint", method="joint", control=True)
    other = run(tmp_path / "a", FORGETFUL)
    alone = run(tmp_path / "b", FORGETFUL, seed=1)
    scores = score_runs([joint, other, alone], ["intransigence"])
    values = [each.values["intransigence"] for each in scores.runs]
    assert [each.value for each in values] == [0, 0, None]
    assert values[2].why == "no finished run of joint with seed 1 on this stream"


def test_joint_on_other_features_is_another_control(tmp_path):
    features = STREAM.model_copy(update={"source_fingerprint": "1" * 64})
    joint = write_run(tmp_path / "joint", features, PERFECT, method="joint", control=True)
    (scored, _) = score_runs([run(tmp_path / "a"), joint], ["intransigence"]).runs
    assert scored.values["intransigence"].value is None


def test_an_unfinished_run_is_left_out_and_told(tmp_path):
    half = write_run(tmp_path / "half", STREAM, PERFECT[:2])
    scores = score_runs([half, run(tmp_path / "whole")])
    assert [each.path.name for each in scores.runs] == ["whole"]
    assert scores.unfinished == (f"{half.path} has 2 of 3 versions",)


def test_a_broken_ledger_is_an_error_that_names_the_file(tmp_path):
    good, bad = run(tmp_path / "good"), run(tmp_path / "bad", seed=1)
    (bad.folder(2) / "predictions.parquet").write_bytes(b"short")
    with pytest.raises(ClbenchError, match=r"bad/versions/002/predictions.parquet has 5 bytes"):
        score_runs([good, bad])


def test_a_copy_of_a_run_is_an_error(tmp_path):
    with pytest.raises(ClbenchError, match=r"one and .*two are the same run \(fake, seed 0\)"):
        score_runs([run(tmp_path / "one"), run(tmp_path / "two")])


def test_processes_find_the_same_scores_in_the_same_order(tmp_path, monkeypatch):
    monkeypatch.setattr(score, "CHUNK", 2)
    names = ["final_accuracy", plugin_file(tmp_path / "p", "(labels): return len(labels) / 10")]
    ledgers = [run(tmp_path / "joint", method="joint", seed=9)]
    ledgers += [random_run(tmp_path / f"{i}", STREAM, rng=i, seed=i) for i in range(4)]
    heard: list[tuple[int, int]] = []
    parallel = score_runs(ledgers, names, jobs=2, progress=lambda *done: heard.append(done))
    assert parallel.runs == score_runs(ledgers, names).runs
    assert [each.path for each in parallel.runs] == [each.path for each in ledgers]
    assert heard[-1] == (5, 5)


# -- metrics of others ----------------------------------------------------------------------


def test_a_metric_in_a_file_scores_like_any_other(tmp_path):
    name = plugin_file(tmp_path / "p", "(labels): return len(labels) / 10")
    scores = score_runs([run(tmp_path / "run")], [name])
    assert scores.runs[0].values["mine"].value == 0.6


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("(labels): return float('nan')", r"metric mine@1 is nan for .*run; it must be in \[0, 1"),
        ("(labels): return 2", r"metric mine@1 is 2.0"),
        ("(labels): return 1 / 0", "metric mine@1 fails on .*run: ZeroDivisionError"),
        ("(labelz): return 0", "unknown evidence 'labelz'; did you mean 'labels'"),
    ],
)
def test_a_metric_that_misbehaves_is_named(tmp_path, body, message):
    name = plugin_file(tmp_path / "p", body)
    with pytest.raises(ClbenchError, match=message):
        score_runs([run(tmp_path / "run")], [name])


def test_what_is_no_metric_or_takes_the_name_of_one_is_refused(tmp_path):
    (tmp_path / "plain.py").write_text("def plain(labels): return 0\n")
    with pytest.raises(ClbenchError, match=r"plain is a function; decorate it with @metric"):
        score_runs([], [f"{tmp_path}/plain.py:plain"])
    mine = plugin_file(tmp_path / "p", "(labels): return 0", name="churn")
    with pytest.raises(ClbenchError, match="two metrics have the id 'churn'"):
        score_runs([], ["churn", mine])
    with pytest.raises(ClbenchError, match="unknown metric 'chum'; did you mean 'churn'"):
        score_runs([], ["chum"])


def test_a_registered_metric_that_does_not_import_breaks_only_itself(tmp_path, monkeypatch):
    known = dict(plugin.entries("metrics")) | {"bad": plugin.Entry("bad", "no_module:bad", "other")}
    monkeypatch.setattr(plugin, "entries", lambda group: known)
    scores = score_runs([run(tmp_path)])
    assert "bad" not in scores.metrics
    assert "final_accuracy" in scores.runs[0].values
    assert re.search("metric plugin 'bad' of other fails to import", scores.broken[0])


# -- finding and naming runs ----------------------------------------------------------------


def test_runs_are_found_once_and_not_looked_into(tmp_path):
    outer, inner = run(tmp_path / "b" / "run"), run(tmp_path / "b" / "run" / "inside")
    first = run(tmp_path / "a")
    assert find_ledgers(tmp_path, tmp_path / "b") == [first, outer]
    assert find_ledgers(outer.path) == [outer]
    assert inner.path.is_dir()


def test_set_ups_of_a_method_are_told_apart_by_what_differs(tmp_path):
    changes = [
        {"method": "er", "hyperparameters": {"memory": 200, "lr": 0.1}},
        {"method": "er", "hyperparameters": {"memory": 500, "lr": 0.1}, "seed": 1},
        {"method": "er", "hyperparameters": {"memory": 500, "lr": 0.1}, "seed": 2},
        {"method": "lwf", "code": "a" * 64},
        {"method": "lwf", "code": "b" * 64},
        {"method": "ewc"},
    ]
    records = [run(tmp_path / f"{i}", **each).record for i, each in enumerate(changes)]
    assert labels(records) == [
        "er (memory=200)",
        "er (memory=500)",
        "er (memory=500)",
        "lwf (code=aaaaaaa)",
        "lwf (code=bbbbbbb)",
        "ewc",
    ]


def test_a_method_may_be_tuned_to_other_values_on_another_stream(tmp_path):
    other = stream_record(classes=[(0, 1), (2, 3)], sizes=[4, 3], fingerprint="e" * 64)
    records = [
        run(tmp_path / "a", method="ssd", hyperparameters={"alpha": 1}).record,
        write_run(tmp_path / "b", other, [], method="ssd", hyperparameters={"alpha": 2}).record,
    ]
    assert len({record.stream.fingerprint for record in records}) == 2
    assert labels(records) == ["ssd", "ssd"]


def test_a_hyperparameter_that_is_called_as_a_setting_tells_set_ups_apart(tmp_path):
    variants = [{"form": "film"}, {"form": "ssf"}, {"form": "ssf", "training": {"lr": 0.1}}]
    records = [
        run(tmp_path / f"{i}", method="fsa", hyperparameters=each).record
        for i, each in enumerate(variants)
    ]
    found = ["fsa (form=film)", "fsa (form=ssf)", "fsa (form=ssf, training.lr=0.1)"]
    assert labels(records) == found


def test_a_hyperparameter_that_is_none_is_not_one_that_is_absent(tmp_path):
    one = run(tmp_path / "a", hyperparameters={"memory": None}).record
    assert len(set(labels([one, run(tmp_path / "b").record]))) == 2


# -- the table ------------------------------------------------------------------------------


@metric(direction="lower", range=(0, 1))
def mine(labels) -> float:
    """Stands for any metric where lower is better."""
    raise NotImplementedError


def scored(values: dict[str, list[float | None]]) -> Scores:
    """Scores of methods over seeds 0, 1, ...; None stands for a value that is not measured."""
    runs = []
    for method, each in values.items():
        for seed, value in enumerate(each):
            record = run_record(STREAM, method=method, seed=seed, control=method == "control")
            values_of_run = {"mine": Score(value, "" if value is not None else "no reason")}
            runs.append(RunScores(record, Path(f"{method}{seed}"), method, values_of_run))
    return Scores({"mine": mine}, tuple(runs), ())


def cells(scores: Scores) -> dict[str, Cell]:
    return {row.label: row.cells["mine"] for row in summarise(scores)}


def test_a_cell_is_the_mean_over_seeds_with_its_t_interval():
    cell = cells(scored({"a": [0.1, 0.2, 0.3]}))["a"]
    half = 4.302653 * 0.1 / np.sqrt(3)  # Student's t, 2 degrees of freedom
    assert (cell.n, cell.mean) == (3, pytest.approx(0.2))
    assert (cell.low, cell.high) == (pytest.approx(0.2 - half), pytest.approx(0.2 + half))
    assert cell.why == ""


def test_one_seed_has_no_interval_and_says_so():
    cell = cells(scored({"a": [0.1]}))["a"]
    assert (cell.n, cell.mean, cell.low, cell.high) == (1, 0.1, None, None)
    assert cell.why == "one seed, so no interval"


def test_seeds_without_a_value_are_counted_and_never_averaged():
    found = cells(scored({"a": [0.1, None, 0.3], "b": [None, None]}))
    assert (found["a"].n, found["a"].mean) == (2, pytest.approx(0.2))
    assert found["a"].why == "1 of 3 seeds not measured: no reason"
    assert found["b"] == Cell(0, None, why="no reason")


def test_the_best_is_the_lowest_where_lower_is_better_and_never_a_control():
    values = {"a": [0.5, 0.6], "b": [0.1, 0.2], "control": [0.0, 0.0]}
    found = cells(scored(values))
    assert [name for name, cell in found.items() if cell.best] == ["b"]
    assert not found["control"].tied


def test_a_tie_is_what_a_paired_test_does_not_tell_apart():
    # b is always 0.1 worse than a, whatever the seed; c is worse on some seeds only
    values = {"a": [0.1, 0.5, 0.3], "b": [0.2, 0.6, 0.4], "c": [0.2, 0.4, 0.9]}
    found = cells(scored(values))
    assert found["a"].best
    assert (found["b"].tied, found["c"].tied) == (False, True)


def test_the_tests_are_corrected_for_their_number():
    best = [0.10, 0.20, 0.30]
    # a paired t test of these differences alone has p = 0.03
    close = [value + gap for value, gap in zip(best, [0.02, 0.03, 0.04], strict=True)]
    alone = cells(scored({"a": best, "b": close}))
    assert not alone["b"].tied
    among = {"a": best, "b": close, "c": close, "d": close}
    found = cells(scored(among))
    assert all(found[name].tied for name in "bcd")


def test_too_few_shared_seeds_are_a_tie_by_lack_of_evidence():
    found = cells(scored({"a": [0.1, 0.1], "b": [0.9]}))
    assert found["b"].tied
    assert "shares fewer than 2 seeds with a, the best: cannot be told apart" in found["b"].why


def test_a_p_value_has_no_best(tmp_path):
    ledgers = [run(tmp_path / f"{i}", method="ab"[i % 2], seed=i // 2) for i in range(4)]
    rows = summarise(score_runs(ledgers, ["mcnemar_last_update"]))
    assert not any(row.cells["mcnemar_last_update"].best for row in rows)


def test_rows_are_streams_and_set_ups_with_controls_last(tmp_path):
    ledgers = []
    for i, (method, fingerprint) in enumerate(
        [("joint", "1"), ("zap", "1"), ("er", "1"), ("er", "2")]
    ):
        stream = STREAM.model_copy(update={"fingerprint": fingerprint * 64})
        control = method == "joint"
        ledgers.append(
            write_run(tmp_path / f"{i}", stream, PERFECT, method=method, control=control)
        )
    rows = summarise(score_runs(ledgers))
    assert [(row.stream[:13], row.label, row.control) for row in rows] == [
        ("fake (1111111", "er", False),
        ("fake (1111111", "zap", False),
        ("fake (1111111", "joint", True),
        ("fake (2222222", "er", False),
    ]


def test_rows_survive_json():
    rows = summarise(scored({"a": [0.1, None, 0.3]}))
    (record,) = json.loads(json.dumps(to_records(rows), allow_nan=False))
    cells_back = {name: Cell(**cell) for name, cell in record.pop("cells").items()}
    tuples = {name: tuple(record[name]) for name in ("seeds", "uses")}
    assert Row(**{**record, **tuples, "cells": cells_back}) == rows[0]


def test_costly_metrics_are_worked_out_where_they_are_named_or_all_are_asked_for(tmp_path):
    run = random_run(tmp_path, stream_record())
    assert "backward_cka" not in score_runs([run]).metrics
    assert "backward_cka" in score_runs([run], every=True).metrics
    (named,) = score_runs([run], ["backward_cka"]).runs
    assert named.values["backward_cka"].why == "version 0 holds no embeddings"
