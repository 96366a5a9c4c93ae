"""Values as they are read: rounded, with a unit that suits their size."""

from math import floor, log10

from clbench.metric import Metric
from clbench.metric.base import Unit
from clbench.summary import Cell

SAME_SCALE: dict[Unit, tuple[float, int]] = {  # factor, decimals
    "fraction": (100, 1),
    "nats": (1, 2),
    "ratio": (1, 2),
}
HEADINGS: dict[Unit, str] = {"fraction": "%", "nats": "nats", "ratio": "ratio", "p-value": "p"}
SCALES: dict[Unit, list[tuple[float, str]]] = {
    "flops": [(1e15, "PFLOP"), (1e12, "TFLOP"), (1e9, "GFLOP"), (1e6, "MFLOP"), (1e3, "kFLOP")],
    "bytes": [(1e12, "TB"), (1e9, "GB"), (1e6, "MB"), (1e3, "kB")],
    "count": [(1e9, "G"), (1e6, "M"), (1e3, "k")],
    "seconds": [(3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")],
}
BASE: dict[Unit, tuple[float, str]] = {
    "flops": (1, "FLOP"),
    "bytes": (1, "B"),
    "count": (1, ""),
    "seconds": (1, "s"),
}


def heading(unit: Unit) -> str:
    """The unit that stands in a column's head; empty where each value carries its own."""
    return HEADINGS.get(unit, "")


def arrow(metric: Metric) -> str:
    """Which way is better."""
    return {"higher": "↑", "lower": "↓", "neither": ""}[metric.direction]


def cell_text(unit: Unit, cell: Cell) -> str:
    """`mean ± half-width` of a cell that has a mean; without ± below two seeds."""
    assert cell.mean is not None
    if cell.low is None or cell.high is None:
        return with_margin(unit, cell.mean, None)
    return with_margin(unit, cell.mean, (cell.high - cell.low) / 2)


def with_margin(unit: Unit, mean: float, half: float | None, *, signed: bool = False) -> str:
    """A mean with the half-width of its interval. A mean of p-values has none that means much."""
    if unit == "p-value":
        return p_value(mean)
    factor, decimals, suffix = _scale(unit, mean, half or 0.0)
    sign = "+" if signed else ""
    text = f"{mean * factor:{sign}z.{decimals}f}"
    if half is not None:
        # a margin of 0 is a fact (the same in every seed), not the result of rounding
        text += " ± 0" if half == 0 else f" ± {half * factor:.{decimals}f}"
    return f"{text} {suffix}".rstrip()


def value_text(unit: Unit, value: float) -> str:
    """A single value with its unit."""
    named = {"fraction": " %", "nats": " nats"}.get(unit, "")
    return with_margin(unit, value, None) + named


def tick(unit: Unit, value: float) -> str:
    """A round value beside an axis."""
    factor, _, suffix = _scale(unit, value, 0.0)
    return f"{value * factor:g} {suffix}".rstrip()


def p_value(p: float) -> str:
    """A p-value with three decimals."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}"


def _scale(unit: Unit, mean: float, half: float) -> tuple[float, int, str]:
    """Factor, decimals and unit by which a mean and its margin are shown together."""
    if unit in SAME_SCALE:
        return *SAME_SCALE[unit], ""
    size = abs(mean) or half
    if size == 0:
        return 1, 0, BASE[unit][1]
    # 0.9995 of a step rounds up to the step: 999.9 kB is 1.00 MB
    larger = (each for each in SCALES[unit] if size >= each[0] * 0.9995)
    step, suffix = next(larger, SCALES[unit][-1] if unit == "seconds" else BASE[unit])
    exact = unit != "seconds" and step == 1
    decimals = 0 if exact else max(0, 2 - floor(log10(size / step * 1.0005)))
    return 1 / step, min(decimals, 3), suffix
