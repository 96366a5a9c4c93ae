"""Tables say how hyperparameters were chosen, and warn where methods differ in it."""

import json
from pathlib import Path
from typing import Any

import pytest
from report_runs import FORGETFUL, PERFECT, STREAM, study
from rich.console import Console, RenderableType
from test_report_page import Page

from clbench.alike import tuning_warnings
from clbench.compare import compare
from clbench.ledger import Ledger
from clbench.record import TuningRecord
from clbench.report.page import render
from clbench.report.pair_table import comparison_table, run_table
from clbench.report.terminal import score_table
from clbench.score import score_runs
from clbench.summary import summarise, to_records
from fakes import write_run

METRIC = ["average_accuracy"]


def tuning(**changes: Any) -> TuningRecord:
    values: dict[str, Any] = {
        "trials": 20,
        "used": 20,
        "failed": 1,
        "sampler": "tpe",
        "objective": "average_accuracy@1",
        "value": 0.5,
        "default": 0.4,
        "stream": "fake+tuning",
        "fingerprint": "a" * 64,
        "source_fingerprint": "b" * 64,
        "seeds": (0, 1),
        "on_test": False,
        "space": {"training.lr": "0.0001 to 1, log"},
        "flops": 10**12,
    }
    return TuningRecord(**(values | changes))


def runs(root: Path, **tunings: TuningRecord | None) -> list[Ledger]:
    """Two seeds of each method, tuned as given."""
    return [
        write_run(root / f"{name}{seed}", STREAM, logits, method=name, seed=seed, tuning=how)
        for (name, how), logits in zip(tunings.items(), (PERFECT, FORGETFUL), strict=False)
        for seed in (0, 1)
    ]


def printed(table: RenderableType, width: int = 120) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return " ".join(capture.get().split())


def told(ledgers: list[Ledger]) -> str:
    return printed(score_table(score_runs(ledgers, METRIC)))


def test_where_nothing_was_tuned_nothing_is_said(tmp_path: Path) -> None:
    scores = score_runs(study(tmp_path), METRIC)
    text = printed(score_table(scores))
    assert "tuned" not in text
    assert "warning" not in text
    assert "tuned" not in " ".join(Page(render(scores)).words)
    assert [row["tuning"] for row in to_records(summarise(scores))] == [None] * 3


def test_methods_that_were_tuned_alike(tmp_path: Path) -> None:
    ledgers = runs(tmp_path, good=tuning(), bad=tuning(used=1, value=0.1, space={}))
    text = told(ledgers)
    assert "good 2 20 trials 100.0 ± 0 ★" in text
    assert "bad 2 1 of 20 trials 33.3 ± 0" in text
    assert "Tuned for average_accuracy@1 on fake+tuning (aaaaaaa), sampler tpe, seeds 0, 1." in text
    assert "warning" not in text


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (None, "defaults"),
        (tuning(trials=5, used=5), "5 trials"),
        (tuning(objective="final_accuracy@1"), "20 trials"),
        (tuning(seeds=(0,)), "20 trials"),
        (tuning(on_test=True), "20 trials ON TEST"),
    ],
)
def test_methods_that_were_not(tmp_path: Path, other: TuningRecord | None, said: str) -> None:
    ledgers = runs(tmp_path, good=tuning(), bad=other)
    warning = f"not tuned alike: bad: {said}; good: 20 trials"
    assert f"warning: {warning}" in told(ledgers)
    assert f"Warning: {warning}" in " ".join(Page(render(score_runs(ledgers, METRIC))).words)
    assert any(warning in note or said in note for note in compare(ledgers[2:], ledgers[:2]).notes)


def test_tuned_on_test_is_marked_everywhere(tmp_path: Path) -> None:
    ledgers = runs(tmp_path, good=tuning(on_test=True), bad=tuning(on_test=True))
    scores = score_runs(ledgers, METRIC)
    assert "20 trials, bad 2 ON TEST 33.3" in told(ledgers)  # in two lines
    assert "so too good" in told(ledgers)
    page = Page(render(scores))
    assert page.words.count("20 trials, ON TEST") >= 2
    assert {"class": "flaw", "data-value": "20 trials, ON TEST"} in page.of("td")
    assert "ON TEST" in printed(run_table(scores.runs[0], scores.metrics))
    compared = compare(ledgers[:2], ledgers[2:], METRIC)
    assert "ON TEST" in printed(comparison_table(compared, scores.metrics))
    console = Console(width=120, color_system="standard", force_terminal=True)
    with console.capture() as capture:
        console.print(score_table(scores))
    assert "\x1b[1;31mON TEST" in capture.get()


def test_what_was_changed_after_tuning_is_told(tmp_path: Path) -> None:
    text = told(runs(tmp_path, good=tuning(changed=("buffer", "training.lr"))))
    assert "20 trials, good 2 2 changed 100.0" in text  # in two lines
    assert "warning: good was tuned with another buffer, training.lr" in text


def test_numbers_are_in_the_json(tmp_path: Path) -> None:
    scores = score_runs(runs(tmp_path, good=tuning()), METRIC)
    (row,) = json.loads(json.dumps(to_records(summarise(scores))))
    assert (row["tuning"]["flops"], row["tuning"]["trials"]) == (10**12, 20)


def test_one_method_tuned_in_two_ways_is_two_rows(tmp_path: Path) -> None:
    ways = {"a": None, "b": tuning(), "c": tuning(seeds=(0,))}
    ledgers = [
        write_run(tmp_path / key, STREAM, PERFECT, method="m", tuning=how)
        for key, how in ways.items()
    ]
    labels = {run.label for run in score_runs(ledgers, METRIC).runs}
    assert len(labels) == 3
    assert "m (tuned=no)" in labels
    assert all(label.startswith("m (tuned=") for label in labels)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_still_fits(tmp_path: Path, width: int) -> None:
    scores = score_runs(runs(tmp_path, good=tuning(on_test=True), bad=tuning(used=1)))
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(score_table(scores, "all"))
    assert max(map(len, capture.get().splitlines())) <= width
    assert "…" not in capture.get()


def test_controls_need_no_tuning(tmp_path: Path) -> None:
    tuned, control = runs(tmp_path, good=tuning(), bad=None)[::2]
    plain = control.record.model_copy(
        update={"method": control.record.method.model_copy(update={"control": True})}
    )
    assert tuning_warnings([("good", tuned.record), ("bad", control.record)])
    assert tuning_warnings([("good", tuned.record), ("bad", plain)]) == []
