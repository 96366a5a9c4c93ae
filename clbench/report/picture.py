"""A picture: a plotly figure with its words, which stand outside of it so that they can wrap."""

import html
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy.typing as npt
from plotly import graph_objects as go

from clbench.report.theme import template


@dataclass(frozen=True)
class Picture:
    """A figure, what it shows, and of which method if it is of one."""

    title: str
    caption: str
    figure: go.Figure
    label: str = ""


def figure(traces: Iterable[Any], height: int, **layout: Any) -> go.Figure:
    """A figure in the light template; colours that a template decides are left to it."""
    made = go.Figure(data=list(traces), layout={"template": template("light")})
    return made.update_layout(height=height, **layout)


def safe(text: str) -> str:
    """Text from outside as plotly shows it literally: it reads a few tags as markup."""
    shown = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    return html.escape(shown, quote=False)


def short(text: str, length: int = 16) -> str:
    """Text cut to fit beside a tick."""
    return safe(text if len(text) <= length else text[: length - 1] + "…")


def numbers(values: npt.NDArray[Any], factor: float = 1.0) -> list[Any]:
    """Nested lists with 5 significant digits, which no eye can tell apart; NaN becomes null."""
    if values.ndim > 1:
        return [numbers(each, factor) for each in values]
    return [None if value != value else float(f"{value * factor:.5g}") for value in values.tolist()]


def percent_axis(name: str, **more: Any) -> dict[str, Any]:
    """An axis of percents."""
    return {"title": {"text": f"{name} (%)"}, **more}


def version_axis(versions: int, name: str = "version, after so many updates") -> dict[str, Any]:
    """An axis of whole numbers."""
    step = 1 if versions <= 13 else None
    return {"title": {"text": name}, "dtick": step, "tickformat": "d", "showgrid": False}
