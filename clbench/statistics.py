"""Intervals and tests, each a closed form over `scipy.special` (importing scipy.stats is slow)."""

from collections.abc import Sequence
from math import sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from scipy.special import bdtr, ndtr, ndtri, stdtr, stdtrit

from clbench.errors import ClbenchError

LEVEL = 0.95
RESAMPLES = 10_000
BLOCK = 1 << 22  # numbers held at once by the bootstrap


class Interval(NamedTuple):
    """A 95 % interval."""

    low: float
    high: float


def mean_interval(values: Sequence[float]) -> Interval:
    """Student's t interval of the mean of at least 2 values."""
    sample = _at_least_two(values)
    half = float(stdtrit(len(sample) - 1, (1 + LEVEL) / 2)) * _standard_error(sample)
    return Interval(float(sample.mean()) - half, float(sample.mean()) + half)


def paired_t(differences: Sequence[float]) -> float:
    """Two-sided p-value of Student's t test that the mean of at least 2 differences is 0.

    Differences that are all the same number have no noise: p is 1 if they are 0, else 0.
    """
    sample = _at_least_two(differences)
    mean, error = float(sample.mean()), _standard_error(sample)
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(len(sample) - 1, -abs(mean) / error))


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for their number, step-down (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    adjusted, floor = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(order):
        floor = max(floor, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = floor
    return adjusted


def wilson(count: int, n: int) -> Interval:
    """95 % interval of a proportion `count` / n, n >= 1 (Wilson 1927)."""
    z = float(ndtri((1 + LEVEL) / 2))
    share, scale = count / n, 1 + z * z / n
    centre = (share + z * z / (2 * n)) / scale
    half = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n)) / scale
    return Interval(max(0.0, centre - half), min(1.0, centre + half))


def mcnemar(lost: int, gained: int) -> float:
    """Two-sided p-value that losses and gains are equally likely (McNemar 1947).

    Exact binomial below 25 discordant pairs, else the normal z = (lost - gained) / sqrt(sum).
    """
    discordant = lost + gained
    if discordant < 25:
        return min(1.0, 2 * float(bdtr(min(lost, gained), discordant, 0.5)))
    return float(2 * ndtr(-abs(lost - gained) / sqrt(discordant)))


def two_way_bootstrap(differences: npt.NDArray[np.integer], seed: int = 0) -> Interval:
    """95 % percentile interval of the mean of `differences` [seeds, samples], both resampled.

    The samples are the same for all seeds, so a resample draws rows and, independently, columns
    (Owen 2007, "The pigeonhole bootstrap"); drawing samples anew within each seed would count one
    test set as many. Equal columns are drawn together, as one multinomial count.
    """
    columns, counts = np.unique(differences, axis=1, return_counts=True)
    n_seeds, n = differences.shape
    rng = np.random.default_rng(seed)
    means = np.empty(RESAMPLES)
    block = max(1, BLOCK // len(counts))
    for start in range(0, RESAMPLES, block):
        size = len(means[start : start + block])
        samples = rng.multinomial(n, counts / n, size=size)
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=size)
        means[start : start + block] = ((seeds @ columns) * samples).sum(axis=1) / (n_seeds * n)
    low, high = np.quantile(means, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Interval(float(low), float(high))


def _standard_error(sample: npt.NDArray[np.float64]) -> float:
    # identical values must give 0, which a rounded mean would not
    return 0.0 if np.ptp(sample) == 0 else float(sample.std(ddof=1)) / sqrt(len(sample))


def _at_least_two(values: Sequence[float]) -> npt.NDArray[np.float64]:
    if len(values) < 2:
        raise ClbenchError(f"an interval over seeds needs at least 2 values; got {len(values)}")
    return np.asarray(values, dtype=np.float64)
