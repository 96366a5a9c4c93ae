"""What happens inside updates, between one version and the next. P probes, E evaluation sets.

Continual evaluation (De Lange et al. 2023, arXiv:2205.13452) asks a model every few steps, and
finds that what was known is lost at the start of an update and learnt again: the stability gap.
`trace` has the accuracies [P, E]; `learnt` [E] is the first version that has learnt each set.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric
from clbench.metric.trace import FloatArray, IntArray, Trace

WINDOW = 10  # probes; the paper's shorter window


@metric(direction="higher", range=(0, 1), paper="arXiv:2205.13452")
def min_accuracy(trace: Trace, learnt: IntArray) -> float:
    """Mean over the sets learnt before the last update of the lowest accuracy since (min-ACC).

    mean_e min_{p after version learnt_e} a[p, e]: over all probes inside later updates and at their
    ends, not the one at the end of learning itself.
    """
    return float(_lowest_since(trace, _old(trace, learnt), learnt).mean())


@metric(direction="higher", range=(0, 1), paper="arXiv:2205.13452")
def worst_case_accuracy(trace: Trace, learnt: IntArray) -> float:
    """Mean over sets of the lowest accuracy since learnt, or the final one of new sets (WC-ACC).

    The sets learnt in the last update count with their final accuracy. With one set an update, k in
    all, that is 1/k a[last, k] + (1 - 1/k) min_accuracy.
    """
    worst = trace.accuracy[-1].copy()
    if np.isnan(worst).any():
        raise NotMeasured("the last version was not asked every evaluation set")
    if len(old := np.flatnonzero(learnt < trace.version[-1])):
        worst[old] = _lowest_since(trace, old, learnt)
    return float(worst.mean())


@metric(direction="lower", range=(-1, 1), paper="arXiv:2205.13452")
def windowed_forgetting(trace: Trace) -> float:
    """Mean over sets of the largest drop in accuracy within any 10 probes in a row (WF-10).

    mean_e max a[m, e] - a[n, e] over m < n < m + 10. A set that rises throughout counts negative. A
    window is as many steps long as probes are apart: only runs probed alike compare.
    """
    return float(np.mean([_largest(-curve) for curve in _curves(trace)]))


@metric(direction="higher", range=(-1, 1), paper="arXiv:2205.13452")
def windowed_plasticity(trace: Trace) -> float:
    """Mean over sets of the largest rise in accuracy within any 10 probes in a row (WP-10).

    mean_e max a[n, e] - a[m, e] over m < n < m + 10; see `windowed_forgetting`.
    """
    return float(np.mean([_largest(curve) for curve in _curves(trace)]))


@metric(direction="higher", range=(0, 1), paper="arXiv:2110.10031")
def accuracy_curve_area(trace: Trace, sizes: IntArray) -> float:
    """Area under the curve of accuracy over samples shown, per sample: any-time accuracy (A_AUC).

    sum_p f(p) (s_p - s_{p-1}) / s_last: f is the accuracy on the sets asked so far, each weighing
    as many samples as it has (`sizes` [E]), s the samples shown, repeats included.
    """
    asked = ~np.isnan(trace.accuracy)
    weights = np.diff(trace.shown, prepend=0)
    if not weights.any():
        raise NotMeasured("no samples were shown in batches or chunks")
    right, whole = np.where(asked, trace.accuracy, 0) @ sizes, asked @ sizes
    return float(np.average(right / whole, weights=weights))


def _old(trace: Trace, learnt: IntArray) -> IntArray:
    """Sets that were learnt before the last update; NotMeasured if there are none."""
    sets = np.flatnonzero(learnt < trace.version[-1])
    if not len(sets):
        raise NotMeasured("no evaluation set was learnt before the last update")
    return sets


def _lowest_since(trace: Trace, sets: IntArray, learnt: IntArray) -> FloatArray:
    """The lowest accuracy on each of the sets after the version that has learnt it."""
    later = trace.version[:, None] > learnt[sets]
    values = np.where(later, trace.accuracy[:, sets], np.inf)
    if np.isnan(values).any():
        raise NotMeasured("an evaluation set was not asked after it was learnt")
    return np.asarray(values.min(axis=0))


def _curves(trace: Trace) -> list[FloatArray]:
    """The accuracies of each set that was asked at least twice."""
    columns = (each[~np.isnan(each)] for each in trace.accuracy.T)
    curves = [each for each in columns if len(each) > 1]
    if not curves:
        raise NotMeasured("no evaluation set was asked twice")
    return curves


def _largest(curve: FloatArray) -> float:
    """The largest rise between two of the values [n] that lie in one window."""
    return max(float(each.max()) for each in _rises(curve))


def _rises(curve: FloatArray) -> Iterator[npt.NDArray[np.float64]]:
    for apart in range(1, min(WINDOW, len(curve))):
        yield curve[apart:] - curve[:-apart]
