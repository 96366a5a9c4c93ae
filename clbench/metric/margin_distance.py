"""Distances between margins of unlearned models and of oracles that need no bins.

They stand beside KLoM on the same margins, clipped to +-100 as there: Wasserstein in the margins'
own unit, Kolmogorov-Smirnov as a difference of shares. `unlearned` [N, n], `oracles` [M, n].
"""

import numpy as np

from clbench.metric.margins import AnyFloats, FloatArray, IntArray, blocks, check


def margin_wasserstein(unlearned: AnyFloats, oracles: AnyFloats) -> FloatArray:
    """Wasserstein-1 distance of each point's margins, exact: the area between quantiles [n].

    Direction: lower; range: [0, 200] logits; paper: doi:10.1007/978-3-540-71050-9.
    """
    check(unlearned, oracles)
    distances = np.empty(unlearned.shape[1])
    rows, columns, weights = _coupling(len(unlearned), len(oracles))
    for part, first, second in blocks(unlearned, oracles):
        first.sort(axis=0)
        second.sort(axis=0)
        distances[part] = weights @ np.abs(first[rows] - second[columns])
    return distances


def margin_kolmogorov_smirnov(unlearned: AnyFloats, oracles: AnyFloats) -> FloatArray:
    """Largest difference between the shares of models below a margin, over all margins [n].

    Direction: lower; range: [0, 1]; paper: Kolmogorov 1933, Smirnov 1948.
    """
    n, m = len(unlearned), len(oracles)
    distances = np.empty(unlearned.shape[-1])
    for part, first, second in blocks(unlearned, oracles):
        merged = np.concatenate([first, second]).T
        order = np.argsort(merged, axis=1)
        values = np.take_along_axis(merged, order, axis=1)
        gaps = np.abs(np.where(order < n, m, -n).cumsum(axis=1))  # of shares, times n m
        tied = values[:, :-1] == values[:, 1:]
        gaps[:, :-1][tied] = 0  # shares are compared beyond all equal margins
        distances[part] = gaps.max(axis=1) / (n * m)
    return distances


def _coupling(n: int, m: int) -> tuple[IntArray, IntArray, FloatArray]:
    """Which sorted values of n and of m meet, and for which share of the quantiles.

    Quantile functions of n and m values are constant between multiples of 1/n and of 1/m. In units
    of 1/(n m) these are whole numbers: the same for every point, and exact.
    """
    ends = np.union1d(np.arange(1, n + 1) * m, np.arange(1, m + 1) * n)
    lengths = np.diff(ends, prepend=0)
    return (ends - 1) // m, (ends - 1) // n, lengths / (n * m)
