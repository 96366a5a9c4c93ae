"""Accuracy against what it cost."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from plotly import graph_objects as go

from clbench.metric import Metric
from clbench.report.number import tick, with_margin
from clbench.report.picture import Picture, figure, percent_axis, safe
from clbench.report.section import title
from clbench.report.theme import Style
from clbench.summary import Cell, Row

QUALITY = "average_accuracy"


def accuracy_against_cost(
    rows: Sequence[Row], cost: Metric, styles: Mapping[str, Style]
) -> Picture | None:
    """Average accuracy against a cost on a logarithmic axis; None where no row has both.

    A cost of 0 has no logarithm: it stands at a tick of its own, left of all others.
    """
    needed = (QUALITY, cost.id)
    both = [row for row in rows if all(_mean(row, each) is not None for each in needed)]
    if not both:
        return None
    costs = [row.cells[cost.id].mean or 0.0 for row in both]
    positive = [each for each in costs if each > 0]
    decades = _decades(positive)
    zero_at = 10.0 ** (decades[0] - 1)
    free = 0.0 in costs
    drawn = figure(
        [_point(row, cost, styles[row.label], zero_at) for row in both],
        height=380,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis=_axis(cost, decades, zero_at if free else None),
        yaxis=percent_axis("average accuracy", range=[-2, 102]),
    )
    caption = (
        f"{cost.definition} Bars are 95 % t intervals over seeds; the best place is top left."
        + " What cost 0 stands at the left edge, outside of the logarithmic scale." * free
    )
    return Picture(f"Average accuracy against {title(cost)}", caption, drawn)


def _mean(row: Row, metric: str) -> float | None:
    cell = row.cells.get(metric)
    return cell.mean if cell else None


def _point(row: Row, cost: Metric, style: Style, zero_at: float) -> go.Scatter:
    quality, spent = row.cells[QUALITY], row.cells[cost.id]
    words = with_margin(cost.unit, spent.mean or 0.0, _half(spent))
    return go.Scatter(
        x=[float(f"{spent.mean or zero_at:.5g}")],
        y=[float(f"{100 * (quality.mean or 0.0):.5g}")],
        error_x={"array": [_half(spent) or 0.0], "color": style.colour, "thickness": 1.5},
        error_y={"array": [100 * (_half(quality) or 0.0)], "color": style.colour, "thickness": 1.5},
        name=safe(row.label),
        legendgroup=row.label,
        mode="markers",
        marker={
            "symbol": style.symbol,
            "size": 12,
            "color": style.colour,
            "line": {"width": 2, "color": style.colour},
        },
        customdata=[words],
        hovertemplate="%{y:.1f} % at %{customdata}<extra>%{fullData.name}</extra>",
    )


def _half(cell: Cell) -> float | None:
    """Half of the interval, rounded to what can be seen."""
    if cell.low is None or cell.high is None:
        return None
    return float(f"{(cell.high - cell.low) / 2:.5g}")


def _decades(values: Sequence[float]) -> list[int]:
    """The powers of ten around the values."""
    if not values:
        return [0, 1]
    low, high = floor(log10(min(values))), ceil(log10(max(values)))
    return list(range(low, max(high, low + 1) + 1))


def _axis(cost: Metric, decades: Sequence[int], zero_at: float | None) -> dict[str, Any]:
    """Ticks in words that carry their unit."""
    step = -(-len(decades) // 7)
    ticks = {10.0**power: tick(cost.unit, 10.0**power) for power in decades[::step]}
    if zero_at is not None:
        ticks = {zero_at: "0", **ticks}
    left = decades[0] - (1.3 if zero_at is not None else 0.1)
    return {
        "type": "log",
        "title": {"text": title(cost)},
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
        "range": [left, decades[-1] + 0.2],
    }
