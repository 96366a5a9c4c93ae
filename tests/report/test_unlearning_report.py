import re
from pathlib import Path

import numpy as np
import pytest
from rich.cells import cell_len
from rich.console import Console

from clbench.ledger import Ledger
from clbench.report.group_cells import group_tables
from clbench.report.page import render, write_report
from clbench.report.section import sections
from clbench.report.terminal import score_table
from clbench.report.theme import styles
from clbench.report.unlearning_figures import gaps_to_oracle, klom_percentiles, sample_margins
from clbench.report.unlearning_shape import shapes
from clbench.score import Scores, score_runs
from crowds import gaussian, write_crowd

NAMES = ["final_accuracy", "forget_gap", "retain_gap", "test_gap", "klom_forget"]
NAMES += ["ulira", "forget_margin_shift"]
REMEMBERED = 4  # this forgotten sample more than the others


def margins(n: int, shift: float, seed: int):
    found = gaussian(n, shift, seed, only="forget")
    found[:, REMEMBERED] += 3 * shift
    return found


def runs(root: Path) -> list[Ledger]:
    """Oracles, do-nothing, and a method that goes too far."""
    before = margins(8, 3, 3)
    oracles = write_crowd(root, "retrain", [before, gaussian(8, seed=1)])
    nothing = write_crowd(root, "do_nothing", [before[:4], before[:4]])
    return oracles + nothing + write_crowd(root, "ascent", [before[:4], margins(4, -2, 5)])


@pytest.fixture(scope="module")
def scores(tmp_path_factory) -> Scores:
    return score_runs(runs(tmp_path_factory.mktemp("runs")), NAMES)


def printed(scores: Scores, width: int, metrics=None) -> str:
    console = Console(width=width, color_system=None)
    with console.capture() as capture:
        console.print(score_table(scores, metrics))
    return capture.get()


@pytest.mark.parametrize("width", [60, 80, 160])
def test_a_table_of_unlearning_fits_the_terminal_and_cuts_no_number(scores, width):
    text = printed(scores, width)
    assert max(cell_len(line) for line in text.splitlines()) <= width
    assert "…" not in text


def test_it_stands_in_place_of_the_headline_scores(scores):
    text = printed(scores, 120)
    assert "unlearning" in text
    assert "final accuracy" not in " ".join(text.split())
    assert "final accuracy" in " ".join(printed(scores, 120, "all").split())


def test_a_row_has_value_and_interval_and_below_it_the_fraction(scores):
    lines = printed(scores, 160, ["forget_margin_shift"]).splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("do_nothing"))
    assert "±" in lines[first]
    assert "°" in lines[first]  # under-powered
    assert lines[first + 1].split() == ["n=4", "remembers", "0.00"]
    null = next(i for i, line in enumerate(lines) if line.startswith("retrain, the null"))
    assert lines[null + 1].split()[-1] == "1.00"


def test_over_unlearning_is_flagged(scores):
    text = printed(scores, 160)
    (line,) = [line for line in text.splitlines() if line.startswith("ascent")][:1]
    assert "over-" in line
    assert "is as far from unlearning as remembering" in " ".join(text.split())


def test_how_far_below_the_oracles_it_lies_is_told_whatever_is_shown(scores, tmp_path):
    few = score_runs(runs(tmp_path), ["retain_gap"])
    for words in (printed(scores, 160), printed(few, 160), render(few)):
        text = " ".join(words.replace("&#39;", "'").replace("&#x27;", "'").split())
        assert re.search(
            r"ver-unlearned: ascent: accuracy \d+\.\d points below, margins \d\.\d sd below the "
            "oracles' on what was to be forgotten",
            text,
        )
        assert "do_nothing: " not in text  # it remembers, as its row says


def test_the_sample_that_is_shown_is_the_one_that_is_remembered_most(scores):
    (section,) = sections(scores)
    (table,) = group_tables(scores.groups, scores.group_metrics).values()
    found = shapes(section, table)
    assert found.id == REMEMBERED
    np.testing.assert_allclose(found.oracles, gaussian(8, seed=1)[:, REMEMBERED], atol=1e-5)
    assert [each.row.label for each in found.shapes] == ["ascent", "do_nothing"]
    np.testing.assert_allclose(found.shapes[0].sample, margins(4, -2, 5)[:, REMEMBERED], atol=1e-5)
    assert found.null.shape == (4, 21)


def test_pictures_show_every_set_up_against_the_oracles(scores):
    (section,) = sections(scores)
    (table,) = group_tables(scores.groups, scores.group_metrics).values()
    look = styles([(row.label, row.control) for row in section.rows])
    found = shapes(section, table)
    gaps, strips, curves = (
        gaps_to_oracle(table, look), sample_margins(found, look), klom_percentiles(found, look)
    )  # fmt: skip
    assert [trace.name for trace in gaps.figure.data] == ["ascent", "do_nothing"]
    assert [trace.name for trace in strips.figure.data] == [
        "retrain (oracles)", "do_nothing", "ascent"
    ]  # fmt: skip
    assert len(curves.figure.data) == 3  # the null's band, and a line each
    assert all((np.diff(trace.y) >= 0).all() for trace in curves.figure.data[1:])


def test_a_page_has_the_table_the_pictures_and_what_they_mean(scores):
    page = render(scores)
    for words in ("<h3>Unlearning</h3>", "Margins of one forgotten sample", "retrain, the null"):
        assert words in page
    for words in ("KLoM of what was to be forgotten", "Accuracy against the oracles", "a side"):
        assert words in page


def test_a_report_has_the_headline_metrics_and_others_where_it_is_asked(tmp_path):
    ledgers, file = runs(tmp_path / "runs"), tmp_path / "report.html"
    for every in (False, True):
        write_report(ledgers, file, every=every)
        text = file.read_text("utf-8")
        assert "forget gap" in text.lower()
        assert ("svc attack efficacy" in text.lower()) == every
