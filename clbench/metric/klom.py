"""KLoM: how far the margins of unlearned models lie from those of oracles, point by point.

Each point has N margins of unlearned models, each unlearned from an original of its own, and M
margins of oracles, retrained without the forget set. Both are binned alike: 20 bins of equal width
over their joint range, the largest margin in the last. Public code uses one direction or the
other, and leaves the largest margin out; both directions are here, and every margin counts.

Values from finite numbers of models are far above 0 where nothing differs (mean 0.35 with 100
models a side, 3 with 20): they are read beside their null, oracles against oracles.
"""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import numpy as np
from scipy.special import rel_entr, xlogy

from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray, IntArray, blocks

Divergence = Callable[[IntArray, IntArray], FloatArray]

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
    return _each(bin_counts(unlearned, oracles, bins), _divergence)


def klom_reverse(unlearned: AnyFloats, oracles: AnyFloats, bins: int = BINS) -> FloatArray:
    """KL(oracle || unlearned) of binned margins, in nats; [N, n] and [M, n] give [n].

    Large where oracles answer as no unlearned model does, such as where those are all alike.
    Direction: lower; range: [0, ln 1e5 = 11.5]; paper: arXiv:2410.23232.
    """
    return _each(bin_counts(oracles, unlearned, bins), _divergence)


def margin_jensen_shannon(unlearned: AnyFloats, oracles: AnyFloats, bins: int = BINS) -> FloatArray:
    """Jensen-Shannon divergence of binned margins, in nats; [N, n] and [M, n] give [n].

    (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2: symmetric, and it needs no floor.
    Direction: lower; range: [0, ln 2]; paper: doi:10.1109/18.61115.
    """
    return _each(bin_counts(unlearned, oracles, bins), _jensen_shannon)


def bin_counts(
    first: AnyFloats, second: AnyFloats, bins: int = BINS
) -> Iterator[tuple[IntArray, IntArray]]:
    """How many models of each table have their margin in each bin: [points, bins] twice a block.

    The bins of a point are [low + b w, low + (b + 1) w), the last one with its upper end, where
    `low` is the smallest of all its margins and bins * w their range.
    """
    for _, *tables in blocks(first, second):
        low = np.minimum(*(table.min(axis=0) for table in tables))
        width = (np.maximum(*(table.max(axis=0) for table in tables)) - low) / bins
        width[width == 0] = 1
        yield _binned(tables[0], low, width, bins), _binned(tables[1], low, width, bins)


def _binned(table: FloatArray, low: FloatArray, width: FloatArray, bins: int) -> IntArray:
    """Counts [points, bins] of a table [N, points], which is overwritten."""
    table -= low
    table /= width
    index = table.astype(np.int64)
    index += np.arange(len(low)) * (bins + 1)  # one bin more, for the largest margin alone
    counts = np.bincount(index.ravel(), minlength=len(low) * (bins + 1)).reshape(-1, bins + 1)
    counts[:, -2] += counts[:, -1]
    return counts[:, :-1]


def _each(counted: Iterable[tuple[IntArray, IntArray]], divergence: Divergence) -> FloatArray:
    """A divergence between counts [points, bins], block by block."""
    return np.concatenate([divergence(*counts) for counts in counted])


def _divergence(p_counts: IntArray, q_counts: IntArray) -> FloatArray:
    """Counts are few whole numbers: their logarithms are looked up."""
    p, q = (np.arange(n + 1) / n for n in (p_counts[0].sum(), q_counts[0].sum()))
    terms = xlogy(p, p)[p_counts] - p[p_counts] * np.log(np.maximum(q, FLOOR))[q_counts]
    # with the floor q adds up to slightly more than 1, which could take a zero below it
    return np.asarray(np.maximum(terms.sum(axis=1), 0))


def _jensen_shannon(p_counts: IntArray, q_counts: IntArray) -> FloatArray:
    p, q = (counts / counts[0].sum() for counts in (p_counts, q_counts))
    middle = (p + q) / 2
    return np.asarray((rel_entr(p, middle) + rel_entr(q, middle)).sum(axis=1) / 2)


def over_points(values: FloatArray) -> OverPoints:
    """95th and 99th percentile and mean of one value a point [n], as KLoM is reported.

    Direction: as the values'; range: as the values'; paper: arXiv:2410.23232.
    """
    if not len(values):
        raise NotMeasured("there are no points")
    p95, p99 = np.percentile(values, [95, 99])
    return OverPoints(float(p95), float(p99), float(values.mean()))
