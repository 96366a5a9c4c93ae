"""Accuracy against what it cost."""

from collections.abc import Mapping, Sequence
from math import ceil, floor, log10
from typing import Any

from plotly import graph_objects as go

from clbench.metric import Metric
from clbench.record import StreamRecord
from clbench.report.number import tick, with_margin
from clbench.report.picture import Picture, figure, percent_axis, safe
from clbench.report.section import title
from clbench.report.theme import GREY, Style
from clbench.summary import Cell, Row

QUALITY = "average_accuracy"


def accuracy_against_cost(
    rows: Sequence[Row], cost: Metric, styles: Mapping[str, Style], limit: float | None = None
) -> Picture | None:
    """Average accuracy against a cost on a logarithmic axis; None where no row has both.

    A cost of 0 has no logarithm: it stands at a tick of its own, left of all others. A line marks
    the `limit` that the protocol sets.
    """
    needed = (QUALITY, cost.id)
    both = [row for row in rows if all(_mean(row, each) is not None for each in needed)]
    if not both:
        return None
    costs = [row.cells[cost.id] for row in both]
    ticks = _round_values([*_ends(costs), *([limit] if limit else [])])
    free = any(each.mean == 0 for each in costs)
    zero_at = ticks[0] / max(1.5, (ticks[-1] / ticks[0]) ** 0.15)
    drawn = figure(
        [_point(row, cost, styles[row.label], zero_at) for row in both],
        height=380,
        legend={"orientation": "h", "y": 1.02, "yanchor": "bottom"},
        xaxis=_axis(cost, ticks, zero_at if free else None),
        yaxis=percent_axis("average accuracy", range=[-2, 102]),
    )
    if limit:
        drawn.add_vline(limit, line={"color": GREY, "width": 1.5, "dash": "dash"})
    caption = (
        f"{cost.definition} Bars are 95 % t intervals over seeds; the best place is top left."
        + " What cost 0 stands at the left edge, outside of the logarithmic scale." * free
        + " The dashed line is what the protocol allows." * bool(limit)
    )
    return Picture(f"Average accuracy against {title(cost)}", caption, drawn)


def limit_of(cost: str, stream: StreamRecord) -> float | None:
    """What the protocol of a stream allows of a cost over all updates; None where nothing."""
    protocol = stream.protocol
    if cost == "learn_flops" and not protocol.get("memory_adjusted"):
        return len(stream.updates) * protocol["flops"] if protocol.get("flops") else None
    return protocol.get("memory_bytes") if cost == "state_bytes" else None


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


def _ends(cells: Sequence[Cell]) -> list[float]:
    """Means and ends of intervals that a logarithmic axis can show."""
    return [
        v for cell in cells for v in (cell.low, cell.mean, cell.high) if v is not None and v > 0
    ]


def _round_values(values: Sequence[float]) -> list[float]:
    """Round values from below the least to above the greatest: 1, 2, 5, 10, or decades if many."""
    low, high = (0.95 * min(values), 1.05 * max(values)) if values else (1.0, 10.0)
    leading = (1, 2, 5) if high / low < 50 else (1,)
    powers = range(floor(log10(low)), ceil(log10(high)) + 1)
    known = [digit * 10.0**power for power in powers for digit in leading]
    first = max(i for i, value in enumerate(known) if value <= low)
    last = min(i for i, value in enumerate(known) if value >= high)
    return known[first : last + 1]


def _axis(cost: Metric, values: Sequence[float], zero_at: float | None) -> dict[str, Any]:
    """Ticks in words that carry their unit."""
    step = -(-len(values) // 7)
    ticks = {value: tick(cost.unit, value) for value in values[::step]}
    if zero_at is not None:
        ticks = {zero_at: "0", **ticks}
    left, right = log10(zero_at or values[0]), log10(values[-1])
    return {
        "type": "log",
        "title": {"text": title(cost)},
        "tickvals": list(ticks),
        "ticktext": list(ticks.values()),
        "range": [left - 0.04 * (right - left), right + 0.04 * (right - left)],
        "minor": {"showgrid": False},
    }
