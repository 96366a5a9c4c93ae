import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from report_runs import CAREFUL, PERFECT, STREAM, scored

from clbench.evidence import Evidence
from clbench.report.cost_figure import _round_values, accuracy_against_cost, limit_of
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
    zero = points["good"]
    assert (zero < 1e9, points["bad"], points["joint"]) == (True, 2e9, 2e9)
    axis = picture.figure.layout.xaxis
    assert dict(zip(axis.tickvals, axis.ticktext, strict=True)) == {
        axis.tickvals[0]: "0",
        1e9: "1 GFLOP",
        2e9: "2 GFLOP",
        5e9: "5 GFLOP",
    }
    assert zero == pytest.approx(axis.tickvals[0], rel=1e-4)
    assert 10 ** axis.range[0] < zero
    assert "cost 0" in picture.caption


@pytest.mark.parametrize(
    ("values", "ticks"),
    [
        ([3.0], [2, 5]),
        ([2.0], [1, 2, 5]),
        ([0.0022, 0.0046], [0.002, 0.005]),
        ([300.0, 4000.0], [200, 500, 1000, 2000, 5000]),
        ([300.0, 40_000.0], [100, 1000, 10_000, 100_000]),
        ([], [1, 2, 5, 10]),
    ],
)
def test_axes_of_costs_have_round_ticks_around_the_values(
    values: list[float], ticks: list[float]
) -> None:
    assert _round_values(values) == pytest.approx(ticks)


def test_what_the_protocol_allows_is_marked(tmp_path: Path) -> None:
    scores = scored(tmp_path, ["average_accuracy", "learn_flops"])
    rows = summarise(scores)
    look = styles([(row.label, row.control) for row in rows])
    picture = accuracy_against_cost(rows, scores.metrics["learn_flops"], look, limit=500.0)
    assert picture is not None
    (line,) = picture.figure.layout.shapes
    assert (line.x0, line.x1) == (500, 500)
    assert 10 ** picture.figure.layout.xaxis.range[1] > 500
    assert "dashed line" in picture.caption


@pytest.mark.parametrize(
    ("cost", "protocol", "limit"),
    [
        ("learn_flops", {"flops": 7}, 21),  # three updates
        ("learn_flops", {"flops": None}, None),
        ("learn_flops", {"flops": 7, "memory_adjusted": True}, None),
        ("state_bytes", {"memory_bytes": 9, "flops": 7}, 9),
        ("state_bytes", {}, None),
        ("learn_seconds", {"seconds": 5.0}, None),
    ],
)
def test_limits_are_those_of_the_protocol(
    cost: str, protocol: dict[str, int], limit: float | None
) -> None:
    assert limit_of(cost, STREAM.model_copy(update={"protocol": protocol})) == limit


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
