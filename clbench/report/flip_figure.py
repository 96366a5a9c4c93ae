"""Pictures of what each update gained and lost."""

from collections.abc import Sequence

import numpy as np
from plotly import graph_objects as go

from clbench.report.picture import Picture, figure, numbers, percent_axis, version_axis
from clbench.report.theme import GAINED, LOST, REGAINED
from clbench.report.trajectory import Course


def flips_per_update(course: Course, reach: tuple[float, float]) -> Picture:
    """What each update gained, and lost: for good, or until a later version.

    `reach` is how far the axis goes down and up, the same for all methods.
    """
    compared = np.flatnonzero(~np.isnan(course.flips).any(axis=1))
    gained, regained, lost = course.flips[compared].T
    updates = (compared + 1).tolist()
    bars = [
        _bar("gained", updates, numbers(gained, 100), GAINED),
        _bar("lost for ever", updates, numbers(-lost, 100), LOST),
        _bar("lost, regained later", updates, numbers(-regained, 100), REGAINED),
    ]
    drawn = figure(
        bars,
        height=230,
        barmode="relative",
        bargap=0.35,
        showlegend=False,
        xaxis=version_axis(len(updates), "update"),
        yaxis=percent_axis("samples", range=list(reach), zeroline=True),
    )
    return Picture(course.label, "", drawn, course.label)


def flip_reach(courses: Sequence[Course]) -> tuple[float, float]:
    """Where the lowest and the highest bar of all end, in percent, with some air."""
    shares = np.nan_to_num(np.concatenate([each.flips for each in courses]))
    lost, gained = shares[:, 1:].sum(axis=1).max(initial=0), shares[:, 0].max(initial=0)
    air = max(6 * float(lost), 6 * float(gained), 1.0)
    return -100 * float(lost) - air, 100 * float(gained) + air


def _bar(name: str, updates: list[int], shares: list[float], colour: str) -> go.Bar:
    hover = f"update %{{x}}: %{{customdata:.1f}} % {name}<extra></extra>"
    sizes = [abs(share) for share in shares]
    return go.Bar(
        name=name, x=updates, y=shares, customdata=sizes, marker={"color": colour},
        hovertemplate=hover,
    )  # fmt: skip
