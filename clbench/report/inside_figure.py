"""The picture of what happens inside updates, of runs that were probed there."""

from typing import Any

import numpy as np
from plotly import graph_objects as go

from clbench.metric.trace import IntArray, Trace
from clbench.record import StreamRecord
from clbench.report.picture import Picture, figure, numbers, percent_axis, safe, short
from clbench.report.theme import COLOURS, DASHES, GREY


def accuracy_inside(label: str, trace: Trace, stream: StreamRecord) -> Picture:
    """Accuracy on each evaluation set of test samples against the steps of all updates."""
    names = [each.name for each in stream.evals if each.split == "test"]
    at, ends = steps_from_start(trace), update_ends(trace)
    drawn = figure(
        [_line(i, name, trace, at) for i, name in enumerate(names)],
        height=320,
        hovermode="closest",
        shapes=[_boundary(int(at[end])) for end in ends[:-1]],
        xaxis={"title": {"text": "training steps"}, "tickformat": "d", "showgrid": False},
        yaxis=percent_axis("accuracy", range=[-2, 102]),
    )
    return Picture(label, "", drawn, label)


def steps_from_start(trace: Trace) -> IntArray:
    """[P] steps done since the beginning of the run, updates that asked nothing aside."""
    before = np.concatenate([[0], np.cumsum(trace.step[update_ends(trace)])])
    return np.asarray(trace.step + before[np.unique(trace.version, return_inverse=True)[1]])


def update_ends(trace: Trace) -> IntArray:
    """The last probe of each version."""
    return np.flatnonzero(np.diff(trace.version, append=trace.version[-1] + 1))


def _line(number: int, name: str, trace: Trace, at: IntArray) -> go.Scatter:
    values = trace.accuracy[:, number]
    asked = np.flatnonzero(~np.isnan(values))
    whole = np.isin(asked, update_ends(trace))
    dash = DASHES[number // len(COLOURS) % len(DASHES)]
    return go.Scatter(
        x=at[asked].tolist(),
        y=numbers(values[asked], 100),
        name=short(name),
        mode="lines+markers",
        line={"color": COLOURS[number % len(COLOURS)], "dash": dash, "width": 1.5},
        marker={"size": np.where(whole, 7, 0).tolist()},  # a dot where an update ends
        hovertemplate=f"step %{{x}}, {safe(name)}: %{{y:.1f}} %<extra></extra>",
    )


def _boundary(x: int) -> dict[str, Any]:
    """A line between two updates."""
    line = {"color": GREY, "width": 1, "dash": "dot"}
    return {"type": "line", "x0": x, "x1": x, "yref": "paper", "y0": 0, "y1": 1, "line": line}
