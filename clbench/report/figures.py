"""Pictures over the life of a model: accuracy and forgetting."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from plotly import graph_objects as go

from clbench.record import StreamRecord
from clbench.report.picture import (
    Picture,
    figure,
    numbers,
    percent_axis,
    safe,
    short,
    version_axis,
)
from clbench.report.theme import Style
from clbench.report.trajectory import Band, Course

MOST_CELLS_WITH_TEXT = 150


def accuracy_over_versions(courses: Sequence[Course], styles: Mapping[str, Style]) -> Picture:
    """Accuracy on everything learnt so far, against version."""
    return Picture(
        "Accuracy on everything learnt so far",
        "Share of right answers on all test samples of what each version has learnt. Mean over "
        "seeds; the band is the 95 % t interval.",
        _curves(courses, styles, lambda each: each.seen, "accuracy", range=[-2, 102]),
    )


def forgetting_over_versions(courses: Sequence[Course], styles: Mapping[str, Style]) -> Picture:
    """Forgetting from peak, against version."""
    return Picture(
        "Forgetting from peak",
        "Best earlier accuracy minus the present one, mean over the evaluation sets learnt before. "
        "Mean over seeds; the band is the 95 % t interval.",
        _curves(courses, styles, lambda each: each.forgetting, "forgetting"),
    )


def accuracy_matrix(course: Course, stream: StreamRecord) -> Picture:
    """Accuracy of each version on each evaluation set of test samples, mean over seeds."""
    asked = np.flatnonzero(~np.isnan(course.accuracy).all(axis=1))
    table = course.accuracy[asked]
    names = [each.name for each in stream.evals if each.split == "test"]
    heat = go.Heatmap(
        z=numbers(table, 100),
        x=list(range(len(names))),
        y=asked.tolist(),
        text=[[safe(name) for name in names]] * len(asked),
        texttemplate="%{z:.0f}" if table.size <= MOST_CELLS_WITH_TEXT else "",
        hovertemplate="version %{y}, %{text}: %{z:.1f} %<extra></extra>",
        hoverongaps=False,
        zmin=0,
        zmax=100,
        colorscale="Cividis",
        showscale=False,
        xgap=1,
        ygap=1,
    )
    ticks = _thin(list(range(len(names))), [short(name) for name in names])
    drawn = figure(
        [heat],
        height=110 + max(16, min(34, 500 // len(asked))) * len(asked),
        xaxis={"title": {"text": "evaluation set"}, "showgrid": False, **ticks},
        yaxis={**version_axis(len(asked), "version"), "autorange": "reversed"},
    )
    return Picture(course.label, "", drawn, course.label)


def _curves(
    courses: Sequence[Course],
    styles: Mapping[str, Style],
    curve: Callable[[Course], Band],
    name: str,
    **axis: Any,
) -> go.Figure:
    traces: list[Any] = []
    for each in courses:
        band, style = curve(each), styles[each.label]
        traces += [*_shade(band, style, each.label), _line(band, style, each.label)]
    return figure(
        traces,
        height=380,
        hovermode="closest",
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis=version_axis(len(curve(courses[0]).mean)),
        yaxis=percent_axis(name, **axis),
    )


def _line(band: Band, style: Style, label: str) -> go.Scatter:
    margins = (band.high - band.low) / 2
    notes = ["" if half != half else f" ± {100 * half:.1f}" for half in margins.tolist()]
    shown = np.flatnonzero(~np.isnan(band.mean))
    return go.Scatter(
        x=shown.tolist(),
        y=numbers(band.mean[shown], 100),
        customdata=[notes[i] for i in shown],
        name=safe(label),
        legendgroup=label,
        mode="lines+markers",
        line={"color": style.colour, "dash": style.dash, "width": 2.5},
        marker={
            "symbol": style.symbol,
            "size": 8,
            "color": style.colour,
            "line": {"width": 2, "color": style.colour},
        },
        hovertemplate="version %{x}: %{y:.1f} %{customdata} %<extra>%{fullData.name}</extra>",
    )


def _shade(band: Band, style: Style, label: str) -> list[go.Scatter]:
    """The band, as one outline: along its upper end and back along the lower."""
    shown = np.flatnonzero(~np.isnan(band.low))
    if not len(shown):
        return []
    outline = np.concatenate([band.high[shown], band.low[shown][::-1]])
    return [
        go.Scatter(
            x=[*shown.tolist(), *shown[::-1].tolist()],
            y=numbers(outline, 100),
            fill="toself",
            fillcolor=style.fill,
            line={"width": 0},
            hoverinfo="skip",
            showlegend=False,
            legendgroup=label,
            mode="lines",
        )
    ]


def _thin(positions: list[int], names: list[str], most: int = 12) -> dict[str, Any]:
    """Ticks, every k-th where there are too many to be read, slanted where they are too wide."""
    step = -(-len(positions) // most)
    # slanted to the left: the last label of the other slant is cut off at the edge
    slants = [0, -45, -90]
    return {"tickvals": positions[::step], "ticktext": names[::step], "autotickangles": slants}
