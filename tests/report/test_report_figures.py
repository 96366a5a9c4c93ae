import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_runs import CAREFUL, PERFECT, STREAM, scored

from clbench.evidence import Evidence
from clbench.report.cost_figure import accuracy_against_cost
from clbench.report.figures import accuracy_matrix, accuracy_over_versions, forgetting_over_versions
from clbench.report.flip_figure import flip_reach, flips_per_update
from clbench.report.picture import safe
from clbench.report.theme import BACKGROUNDS, COLOURS, GAINED, GREY, LOST, REGAINED, styles
from clbench.report.trajectory import Course, course, trajectory
from clbench.score import RunScores, Score, Scores
from clbench.summary import summarise
from fakes import write_run

LOOK = styles([("careful", False), ("perfect", False)])


@pytest.fixture
def courses(tmp_path: Path) -> list[Course]:
    return [
        course(
            name,
            False,
            [
                trajectory(Evidence(write_run(tmp_path / f"{name}{s}", STREAM, logits)))
                for s in (0, 1)
            ],
        )
        for name, logits in (("careful", CAREFUL), ("perfect", PERFECT))
    ]


def test_a_matrix_leaves_out_versions_that_were_asked_nothing(courses: list[Course]) -> None:
    heat = accuracy_matrix(courses[0], STREAM).figure.to_plotly_json()["data"][0]
    assert heat["y"] == [1, 2, 3]
    assert heat["z"] == [[75, None, None], [50, 100, None], [50, 50, 100]]


def test_curves_have_a_line_and_a_band_for_each_method(courses: list[Course]) -> None:
    traces = accuracy_over_versions(courses, LOOK).figure.to_plotly_json()["data"]
    assert [trace.get("fill") for trace in traces] == ["toself", None, "toself", None]
    assert (traces[1]["x"], traces[1]["y"]) == ([1, 2, 3], [75, 75, 66.667])


def test_a_method_looks_the_same_in_every_picture(tmp_path: Path, courses: list[Course]) -> None:
    pictures = [accuracy_over_versions(courses, LOOK), forgetting_over_versions(courses, LOOK)]
    for picture in pictures:
        colours = {trace.name: trace.marker.color for trace in picture.figure.data if trace.name}
        assert colours == {name: LOOK[name].colour for name in ("careful", "perfect")}


def test_styles_do_not_depend_on_the_order_and_stay_apart() -> None:
    labels = [(f"method {i}", False) for i in range(20)] + [("joint", True)]
    assert styles(labels) == styles(labels[::-1])
    assert len(set(styles(labels).values())) == len(labels)


def test_flips_go_up_for_gains_and_down_for_losses(courses: list[Course]) -> None:
    bars = flips_per_update(courses[0], flip_reach(courses)).figure.to_plotly_json()["data"]
    assert {bar["name"]: (bar["x"], bar["y"]) for bar in bars} == {
        "gained": ([2, 3], [25, 12.5]),
        "lost for ever": ([2, 3], [-25, -37.5]),
        "lost, regained later": ([2, 3], [-25, 0]),
    }


def test_all_methods_share_the_axis_of_flips(courses: list[Course]) -> None:
    low, high = flip_reach(courses)
    assert (low, high) == pytest.approx((-53, 28))


def test_costs_of_nothing_stand_left_of_the_logarithmic_scale(tmp_path: Path) -> None:
    scores = scored(tmp_path, ["average_accuracy", "learn_flops"])
    runs = [_costing(run, 0.0 if run.label == "good" else 2e9) for run in scores.runs]
    rows = summarise(Scores(scores.metrics, tuple(runs), ()))
    look = styles([(row.label, row.control) for row in rows])
    picture = accuracy_against_cost(rows, scores.metrics["learn_flops"], look)
    assert picture is not None
    points = {trace.name: trace.x[0] for trace in picture.figure.data}
    assert points == {"good": 1e8, "bad": 2e9, "joint": 2e9}
    axis = picture.figure.layout.xaxis
    assert dict(zip(axis.tickvals, axis.ticktext, strict=True)) == {
        1e8: "0",
        1e9: "1 GFLOP",
        1e10: "10 GFLOP",
    }
    assert "cost 0" in picture.caption


def test_there_is_no_picture_of_a_cost_without_a_quality(tmp_path: Path) -> None:
    scores = scored(tmp_path, ["learn_flops"])
    assert accuracy_against_cost(summarise(scores), scores.metrics["learn_flops"], {}) is None


def test_figures_are_plain_json(courses: list[Course]) -> None:
    drawn = accuracy_matrix(courses[0], STREAM).figure.to_plotly_json()
    json.dumps(drawn["data"], allow_nan=False)


@pytest.mark.parametrize("colour", [*COLOURS, GREY, GAINED, LOST])
@pytest.mark.parametrize("background", BACKGROUNDS.values())
def test_colours_can_be_seen_on_light_and_dark(colour: str, background: str) -> None:
    assert contrast(colour, background) >= 3  # WCAG 2.2, 1.4.11


def test_the_kinds_of_loss_differ_in_lightness() -> None:
    assert contrast(LOST, REGAINED) > 1.7


def test_markup_in_names_is_shown_not_obeyed() -> None:
    assert safe("<b>x</b>\n&") == "&lt;b&gt;x&lt;/b&gt;\N{REPLACEMENT CHARACTER}&amp;"


def contrast(one: str, other: str) -> float:
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


def luminance(colour: str) -> float:
    rgb = np.array([int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def _costing(run: RunScores, flops: float) -> RunScores:
    return replace(run, values={**run.values, "learn_flops": Score(flops)})
