"""KLoM: how far the margins of unlearned models lie from those of oracles, point by point.

Each point has N margins of unlearned models, each unlearned from an original of its own, and M
margins of oracles, retrained without the forget set. Both are binned alike: 20 bins of equal width
over their joint range, the largest margin in the last. Public code uses one direction or the
other, and leaves the largest margin out; both directions are here, and every margin counts.

Values from finite numbers of models are far above 0 where nothing differs (mean 0.35 with 100
models a side, 3 with 20): they are read beside their null, oracles against oracles.
"""

from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr

from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray, IntArray, blocks

BINS = 20
FLOOR = 1e-5  # of the probability of a bin in which the second distribution has no model


class OverPoints(NamedTuple):
    """A value a point, in three numbers."""

    p95: float
    p99: float
    mean: float


def klom(unlearned: AnyFloats, oracles: AnyFloats, bins: int = BINS) -> FloatArray:
    """KL(unlearned || oracle) of binned margins, in nats; [N, n] and [M, n] give [n].

    sum_b p_b ln(p_b / max(q_b, 1e-5)): large where unlearned models answer as no oracle does.
    Direction: lower; range: [0, ln 1e5 = 11.5]; paper: arXiv:2410.23232.
    """
    first, second = bin_counts(unlearned, oracles, bins)
    return _divergence(first, second)


def klom_reverse(unlearned: AnyFloats, oracles: AnyFloats, bins: int = BINS) -> FloatArray:
    """KL(oracle || unlearned) of binned margins, in nats; [N, n] and [M, n] give [n].

    Large where oracles answer as no unlearned model does, such as where those are all alike.
    Direction: lower; range: [0, ln 1e5 = 11.5]; paper: arXiv:2410.23232.
    """
    first, second = bin_counts(unlearned, oracles, bins)
    return _divergence(second, first)


def margin_jensen_shannon(unlearned: AnyFloats, oracles: AnyFloats, bins: int = BINS) -> FloatArray:
    """Jensen-Shannon divergence of binned margins, in nats; [N, n] and [M, n] give [n].

    (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2: symmetric, and it needs no floor.
    Direction: lower; range: [0, ln 2]; paper: doi:10.1109/18.61115.
    """
    p, q = (each / each.sum(axis=1, keepdims=True) for each in bin_counts(unlearned, oracles, bins))
    middle = (p + q) / 2
    return np.asarray((rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / 2)


def bin_counts(first: AnyFloats, second: AnyFloats, bins: int = BINS) -> tuple[IntArray, IntArray]:
    """How many models of each table have their margin in each bin: [n, bins] twice.

    The bins of a point are [low + b w, low + (b + 1) w), the last one with its upper end, where
    `low` is the smallest of all its margins and bins * w their range.
    """
    n = first.shape[-1]
    counts = np.empty((2, n, bins), dtype=np.int64)
    for part, *tables in blocks(first, second):
        low = np.minimum(tables[0].min(axis=0), tables[1].min(axis=0))
        width = np.maximum(tables[0].max(axis=0), tables[1].max(axis=0)) - low
        width[width == 0] = 1
        for side, table in enumerate(tables):
            counts[side, part] = _binned(table, low, width, bins)
    return counts[0], counts[1]


def _binned(table: FloatArray, low: FloatArray, width: FloatArray, bins: int) -> IntArray:
    """Counts [points, bins] of a table [N, points], which is overwritten."""
    table -= low
    table /= width
    table *= bins
    index = np.minimum(table.astype(np.int64), bins - 1)
    index += np.arange(len(low)) * bins
    return np.bincount(index.ravel(), minlength=len(low) * bins).reshape(-1, bins)


def _divergence(p_counts: IntArray, q_counts: IntArray) -> FloatArray:
    p = p_counts / p_counts.sum(axis=1, keepdims=True)
    q = q_counts / q_counts.sum(axis=1, keepdims=True)
    # with the floor q adds up to slightly more than 1, which could take a zero below it
    return np.asarray(np.maximum(rel_entr(p, np.maximum(q, FLOOR)).sum(axis=1), 0))


def over_points(values: FloatArray) -> OverPoints:
    """95th and 99th percentile and mean of one value a point [n], as KLoM is reported.

    Direction: as the values'; range: as the values'; paper: arXiv:2410.23232.
    """
    if not len(values):
        raise NotMeasured("there are no points")
    p95, p99 = np.percentile(values, [95, 99])
    return OverPoints(float(p95), float(p99), float(values.mean()))
