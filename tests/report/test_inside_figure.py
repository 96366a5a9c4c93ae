"""The picture inside updates, worked out by hand, and where it stands on the page."""

from pathlib import Path

import numpy as np
import pytest
from report_runs import STREAM

from clbench.archive import find_ledgers
from clbench.metric.trace import Trace
from clbench.plugin import load
from clbench.report.inside_figure import accuracy_inside, steps_from_start
from clbench.report.page import render
from clbench.score import score_runs
from clbench.settings import Settings
from tiny import Tiny

NAN = float("nan")
TRACE = Trace(
    version=np.array([1, 1, 2, 2, 2]),
    step=np.array([5, 8, 5, 10, 11]),
    shown=np.array([50, 80, 130, 180, 190]),
    accuracy=np.array([[0.5, NAN], [0.9, NAN], [0.2, 0.4], [0.7, 0.6], [0.8, 0.7]]),
)


def test_steps_are_counted_from_the_start() -> None:
    assert steps_from_start(TRACE).tolist() == [5, 8, 13, 18, 19]


def test_a_line_for_each_set_with_dots_where_updates_end() -> None:
    stream = STREAM.model_copy(update={"evals": STREAM.evals[:2]})
    drawn = accuracy_inside("er", TRACE, stream).figure.to_plotly_json()
    first, second = drawn["data"]
    assert (first["x"], first["y"]) == ([5, 8, 13, 18, 19], [50, 90, 20, 70, 80])
    assert (second["x"], second["y"]) == ([13, 18, 19], [40, 60, 70])
    assert first["marker"]["size"] == [0, 7, 0, 0, 7]
    assert [each["x0"] for each in drawn["layout"]["shapes"]] == [8]


@pytest.mark.parametrize(("every", "shown"), [(3, True), (None, False)])
def test_the_page_has_it_for_runs_that_were_probed(
    tiny: Tiny, tmp_path: Path, every: int | None, shown: bool
) -> None:
    settings = Settings(threads=1, probe_every=every)
    tiny.play(load("methods", "er"), tmp_path, settings=settings)
    page = render(score_runs(find_ledgers(tmp_path)))
    assert ("Accuracy inside updates" in page) == shown
    assert ("recorded without --probe-every" in page) != shown


def test_a_name_from_outside_stays_text() -> None:
    evals = tuple(each.model_copy(update={"name": "<b>x</b>"}) for each in STREAM.evals[:2])
    drawn = accuracy_inside("er", TRACE, STREAM.model_copy(update={"evals": evals})).figure
    assert "<b>" not in drawn.to_json()
