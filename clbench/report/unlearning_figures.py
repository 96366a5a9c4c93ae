"""Pictures of unlearning: set-ups beside the oracles that never saw what was to be forgotten."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from plotly import graph_objects as go

from clbench.crowd import FloatArray
from clbench.grouping import GroupRow
from clbench.report.group_cells import Table, is_null
from clbench.report.picture import Picture, figure, numbers, percent_axis, safe
from clbench.report.theme import GREY, Style
from clbench.report.unlearning_shape import PERCENTILES, Shapes

BAND = "rgba(127,135,148,0.22)"  # the oracles' part, in light and dark
GAPS = ("forget_gap", "retain_gap", "test_gap")
KLOM_CAP = float(np.log(1e5))


def unlearning_pictures(
    table: Table, found: Shapes | None, styles: Mapping[str, Style]
) -> list[Picture]:
    """All pictures that the evidence allows."""
    pictures = [gaps_to_oracle(table, styles)]
    if found:
        pictures += [sample_margins(found, styles), klom_percentiles(found, styles)]
    return [picture for picture in pictures if picture]


def gaps_to_oracle(table: Table, styles: Mapping[str, Style]) -> Picture | None:
    """Forget, retain and test accuracy of each set-up, minus the oracles'."""
    rows = [row for row in table.rows if not is_null(row) and _measured(row)]
    if not rows:
        return None
    places = np.linspace(-0.3, 0.3, len(rows)) if len(rows) > 1 else np.zeros(1)
    traces = [_gap_points(row, x, styles[row.label]) for row, x in zip(rows, places, strict=True)]
    drawn = figure(
        traces,
        height=380,
        shapes=_null_boxes(rows[0]),
        xaxis={
            "tickvals": [0, 1, 2],
            "ticktext": ["to forget", "retained", "test"],
            "range": [-0.5, 2.5],
            "showgrid": False,
        },
        yaxis=percent_axis("accuracy minus that of the oracles", zeroline=True),
    )
    return Picture(
        "Accuracy against the oracles",
        "Accuracy minus that of models retrained without what was to be forgotten. At 0 it is "
        "unlearnt; below 0 on the left it is over-unlearnt, which is no better than above. Bars "
        "are 95 % bootstrap intervals over models; grey is where oracles lie among themselves.",
        drawn,
    )


def sample_margins(found: Shapes, styles: Mapping[str, Style]) -> Picture:
    """Margins of one forgotten sample under every model of each set-up, and under the oracles."""
    low, high = np.percentile(found.oracles, [2.5, 97.5])
    traces = [_strip("retrain (oracles)", "", found.oracles, Style(GREY, "circle-open", "solid"))]
    traces += [
        _strip(s.row.label, s.row.label, s.sample, styles[s.row.label])
        for s in reversed(found.shapes)
    ]
    box = {
        "type": "rect", "x0": float(low), "x1": float(high), "yref": "paper", "y0": 0, "y1": 1,
        "fillcolor": BAND, "line": {"width": 0}, "layer": "below",
    }  # fmt: skip
    drawn = figure(
        traces,
        height=120 + 34 * len(traces),
        shapes=[box],
        xaxis={"title": {"text": "margin (logits)"}},
        yaxis={"showgrid": False},
        boxgap=0.25,
    )
    return Picture(
        "Margins of one forgotten sample",
        f"Training sample {found.id}, the one that is remembered most without unlearning: one dot "
        "a model. Grey is the middle 95 % of the oracles, which never saw it. Right of it a model "
        "remembers; left of it, it has unlearnt too much.",
        drawn,
    )


def klom_percentiles(found: Shapes, styles: Mapping[str, Style]) -> Picture | None:
    """Percentiles of KLoM over what was to be forgotten, with the band of the null."""
    if found.null is None:
        return None
    low, high = found.null.min(axis=0), found.null.max(axis=0)
    traces: list[Any] = [_band(low, high)]
    traces += [
        _curve(shape.row.label, shape.klom, styles[shape.row.label])
        for shape in found.shapes
        if shape.klom is not None
    ]
    drawn = figure(
        traces,
        height=380,
        hovermode="closest",
        xaxis={"title": {"text": "percentile of the samples to forget"}, "range": [-2, 102]},
        yaxis={"title": {"text": "KLoM (nats)"}, "range": [-0.2, KLOM_CAP + 0.3]},
    )
    return Picture(
        "KLoM of what was to be forgotten",
        "KL divergence of margins from the oracles', sample by sample, in order of size. Grey is "
        f"the null: oracles against oracles, {found.models} models a side as everywhere here. "
        "What lies in the grey cannot be told from retraining.",
        drawn,
    )


def _measured(row: GroupRow) -> bool:
    return all(name in row.scores and row.scores[name].value is not None for name in GAPS)


def _gap_points(row: GroupRow, offset: float, style: Style) -> go.Scatter:
    scores = [row.scores[name] for name in GAPS]
    values = np.array([score.value for score in scores], dtype=np.float64)
    halves = np.array(
        [
            (score.high - score.low) / 2 if score.high is not None and score.low is not None else 0
            for score in scores
        ]
    )
    return go.Scatter(
        x=numbers(np.arange(3) + offset),
        y=numbers(values, 100),
        error_y={"array": numbers(halves, 100), "color": style.colour, "thickness": 1.5},
        name=safe(row.label),
        legendgroup=row.label,
        mode="markers",
        marker={
            "symbol": style.symbol,
            "size": 11,
            "color": style.colour,
            "line": {"width": 2, "color": style.colour},
        },
        hovertemplate="%{y:+.1f} points<extra>%{fullData.name}</extra>",
    )


def _null_boxes(row: GroupRow) -> list[dict[str, Any]]:
    """Where the null of each gap lies, by the choice of oracles."""
    boxes = []
    for i, name in enumerate(GAPS):
        null, spread = row.scores[name].null, row.scores[name].spread
        if null is None or spread is None:
            continue
        low, high = 100 * (null - spread), 100 * (null + spread)
        boxes.append(
            {
                "type": "rect", "x0": i - 0.42, "x1": i + 0.42, "y0": low, "y1": high,
                "fillcolor": BAND, "line": {"width": 0}, "layer": "below",
            }
        )  # fmt: skip
    return boxes


def _strip(name: str, group: str, margins: FloatArray, style: Style) -> go.Box:
    """One dot a model, on a line of its own."""
    return go.Box(
        x=numbers(margins),
        name=safe(name),
        legendgroup=group,
        orientation="h",
        boxpoints="all",
        jitter=0.6,
        pointpos=0,
        fillcolor="rgba(0,0,0,0)",
        line={"width": 0},
        marker={"color": style.colour, "size": 5, "opacity": 0.75},
        hovertemplate="margin %{x:.2f}<extra>%{fullData.name}</extra>",
    )


def _band(low: FloatArray, high: FloatArray) -> go.Scatter:
    x: Sequence[int] = [*PERCENTILES.tolist(), *PERCENTILES[::-1].tolist()]
    return go.Scatter(
        x=x,
        y=numbers(np.concatenate([high, low[::-1]])),
        fill="toself",
        fillcolor=BAND,
        line={"width": 0},
        mode="lines",
        hoverinfo="skip",
        showlegend=False,
    )


def _curve(label: str, values: FloatArray, style: Style) -> go.Scatter:
    return go.Scatter(
        x=PERCENTILES.tolist(),
        y=numbers(values),
        name=safe(label),
        legendgroup=label,
        mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 2.5},
        marker={"symbol": style.symbol, "size": 6, "color": style.colour},
        hovertemplate="%{x}th percentile: %{y:.2f} nats<extra>%{fullData.name}</extra>",
    )
