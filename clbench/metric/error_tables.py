"""Epsilon of a decision rule by its errors [n + 1, m + 1] among n and m models, in three forms.

From error rates a and b follows max(ln(1 - delta - a) - ln b, ln(1 - delta - b) - ln a), whichever
side is the positive one. Counts are few, so a table for all of them serves all rules and points.
"""

import numpy as np
from scipy.special import betaincinv

from clbench.metric.margins import FloatArray

DELTA = 1e-5


def published(n: int, m: int) -> FloatArray:
    """Epsilon of a rule by its errors [n + 1, m + 1] among n and m models: -inf if discarded."""
    counts = np.arange(n + 1)[:, None], np.arange(m + 1)
    table = _of_rates(counts[0] / n, counts[1] / m)
    none = counts[0] == 0, counts[1] == 0
    table[none[0] ^ none[1]] = -np.inf
    table[none[0] & none[1]] = np.inf
    return table


def halves_for_zeros(n: int, m: int) -> FloatArray:
    """The same, where a count of 0 is taken for one half and nothing is discarded."""
    return _of_rates(*(np.maximum(np.arange(k + 1), 0.5) / k for k in (n, m)))


def bounded(n: int, m: int, level: float) -> FloatArray:
    """The same from upper bounds of both rates, which hold together with confidence `level`."""
    return _of_rates(*(_upper(k, (1 + level) / 2) for k in (n, m)))


def _of_rates(first: FloatArray, second: FloatArray) -> FloatArray:
    """Epsilon of error rates of either side, as a table; the roles of the sides do not matter."""
    one, two = first.reshape(-1, 1), second.reshape(1, -1)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.fmax(_log_ratio(two, one), _log_ratio(one, two)))


def _log_ratio(one: FloatArray, two: FloatArray) -> FloatArray:
    return np.asarray(np.log(np.maximum(1 - DELTA - one, 0)) - np.log(two))


def _upper(n: int, level: float) -> FloatArray:
    """Clopper-Pearson upper bound of a rate for each count of 0 .. n."""
    counts = np.arange(n)
    return np.append(betaincinv(counts + 1, n - counts, level), 1.0)
