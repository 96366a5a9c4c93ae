from pathlib import Path

import pytest
from report_runs import FORGETFUL, PERFECT, STREAM, scored, study, with_card
from rich.cells import cell_len
from rich.console import Console, RenderableType

from clbench.compare import compare
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.report.pair_table import comparison_table, run_table
from clbench.report.terminal import score_table
from clbench.score import score_runs
from fakes import random_run, stream_record, write_run


def printed(table: RenderableType, width: int = 80) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def line_of(text: str, name: str) -> str:
    return next(line for line in text.splitlines() if line.startswith(name))


def test_the_best_method_has_a_star_and_a_control_never_has(tmp_path: Path) -> None:
    text = printed(score_table(scored(tmp_path), ["average_accuracy"]))
    assert line_of(text, "good").split() == ["good", "2", "100.0", "±", "0", "★"]
    assert line_of(text, "bad").split() == ["bad", "2", "33.3", "±", "0"]
    assert line_of(text, "joint").split() == ["joint†", "2", "100.0", "±", "0"]
    assert "† was granted past data" in " ".join(text.split())


def test_methods_that_cannot_be_told_apart_are_tied(tmp_path: Path) -> None:
    stream = stream_record(sizes=(40, 40, 40))
    runs = [
        random_run(tmp_path / f"{name}{seed}", stream, rng=2 * seed + i, method=name, seed=seed)
        for seed in (0, 1, 2)
        for i, name in enumerate(["one", "two"])
    ]
    text = printed(score_table(score_runs(runs), ["average_accuracy"]))
    lines = [line_of(text, "one"), line_of(text, "two")]
    assert {line.split()[-1] for line in lines} == {"★", "≈"}


def test_controls_stand_below_a_rule(tmp_path: Path) -> None:
    lines = printed(score_table(scored(tmp_path), ["average_accuracy"])).splitlines()
    order = [line.split()[0] for line in lines if line.startswith(("good", "─", "joint"))]
    assert [each[0] for each in order] == ["─", "g", "─", "j"]


@pytest.mark.parametrize("width", [60, 80, 120, 200])
@pytest.mark.parametrize("metrics", [None, "all"])
def test_a_table_fits_the_terminal_and_cuts_no_number(
    tmp_path: Path, width: int, metrics: str | None
) -> None:
    text = printed(score_table(scored(tmp_path), metrics), width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text


def test_what_is_not_measured_is_told_once(tmp_path: Path) -> None:
    text = printed(score_table(scored(tmp_path), ["forward_transfer"]))
    assert line_of(text, "good").split() == ["good", "2", "–¹"]
    assert line_of(text, "bad").split() == ["bad", "2", "–¹"]
    assert text.count("¹ not measured: version 0 was not asked") == 1


def test_headers_say_which_way_is_better(tmp_path: Path) -> None:
    text = printed(score_table(scored(tmp_path), ["average_accuracy", "churn"]))
    assert line_of(text, "method").split() == ["method", "n", "%", "↑", "%", "↓"]


def test_a_metric_that_was_not_scored_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match="did you mean 'churn'"):
        score_table(scored(tmp_path, ["churn"]), ["chrun"])


def test_unfinished_runs_are_named(tmp_path: Path) -> None:
    write_run(tmp_path / "half", STREAM, PERFECT[:2])
    text = printed(score_table(score_runs([*study(tmp_path), Ledger(tmp_path / "half")])), 200)
    assert f"left out: {tmp_path / 'half'} has 2 of 4 versions" in text


def test_text_from_a_ledger_is_no_command_to_the_terminal(tmp_path: Path) -> None:
    run = with_card(tmp_path / "run", name="\x1b[2J[red]evil")
    text = printed(score_table(score_runs([run]), ["average_accuracy"]))
    assert "\x1b" not in text
    assert "\N{REPLACEMENT CHARACTER}[2J[red]evil" in text


def test_one_run_is_shown_with_definitions_and_reasons(tmp_path: Path) -> None:
    scores = scored(tmp_path, ["average_accuracy", "forward_transfer"])
    text = printed(run_table(scores.runs[0], scores.metrics), 160)
    assert "good on fake, seed 0" in text
    assert "Mean over the evaluation sets of the last version's accuracy" in text
    assert "not measured: version 0 was not asked" in text


def test_a_comparison_says_what_was_lost_and_gained(tmp_path: Path) -> None:
    sides = [
        [write_run(tmp_path / f"{name}{s}", STREAM, logits, method=name, seed=s) for s in (0, 1)]
        for name, logits in (("good", PERFECT), ("bad", FORGETFUL))
    ]
    found = compare(*sides, metrics=["average_accuracy", "forward_transfer"])
    text = printed(comparison_table(found, scored(tmp_path / "study").metrics), 100)
    assert "bad minus good" in text
    assert line_of(text, "average accuracy").split()[3:] == [
        "↑",
        "-66.7",
        "±",
        "0",
        "<",
        "0.001",
        "2",
    ]
    assert "seed 0: 8 lost, 0 gained of 12 samples (McNemar p 0.008)" in text
    assert "¹ not measured: version 0" in text
