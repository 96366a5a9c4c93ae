"""SVCCA and PWCCA, for comparison with older papers alone.

Canonical correlations of independent embeddings are far from 0 where samples are not many times the
directions: 0.39 for 10,000 samples of 2048. So these refuse fewer than 10 samples a direction.
"""

import numpy as np
from scipy.linalg import svd, svdvals

from clbench.metric.similarity.pairs import FloatArray, Floats, Unfit, centred, check_pair

KEPT = 0.99  # of the variance (the sum of squared singular values; some code means their sum)
ENOUGH = 10  # samples for each direction


def svcca(first: Floats, second: Floats) -> float:
    """Mean canonical correlation of the principal directions that hold 99 % of the variance.

    Direction: higher; range: [0, 1]; blind to rotations, isotropic scaling and translation; paper:
    arXiv:1706.05806.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: there are fewer than 10 samples for each direction that is kept.
    """
    check_pair(first, second)
    one, two = (_principal(centred(each)) for each in (first, second))
    return float(np.clip(svdvals(one.T @ two), 0, 1).mean())


def pwcca(first: Floats, second: Floats) -> float:
    """Mean canonical correlation, weighted by how much of the first embeddings each accounts for.

    Not symmetric: the weights are of `first`, feature by feature, so that rotating it changes them.
    Direction: higher; range: [0, 1]; blind to isotropic scaling and translation, and to every
    invertible linear map of `second`; paper: arXiv:1806.05759.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: there are fewer than 10 samples for each direction of an embedding.
    """
    check_pair(first, second)
    x = centred(first)
    one, two = _spanning(x), _spanning(centred(second))
    left, correlations, _ = svd(one.T @ two, full_matrices=False)
    weights = np.abs((one @ left).T @ x).sum(axis=1)
    return float(np.average(np.clip(correlations, 0, 1), weights=weights))


def _principal(x: FloatArray) -> FloatArray:
    """[n, r] unit vectors: the fewest that hold the share of the variance."""
    left, values, _ = svd(x, full_matrices=False)
    held = np.cumsum(values**2)
    rank = 1 + int(np.searchsorted(held, KEPT * held[-1]))
    return _guarded(left[:, :rank])


def _spanning(x: FloatArray) -> FloatArray:
    """[n, r] unit vectors that span the columns; directions that are rounding are left out."""
    left, values, _ = svd(x, full_matrices=False)
    floor = values[0] * max(x.shape) * np.finfo(np.float64).eps
    return _guarded(left[:, values > floor])


def _guarded(directions: FloatArray) -> FloatArray:
    n, rank = directions.shape
    if n < ENOUGH * rank:
        raise Unfit(
            f"{n} samples for {rank} directions; canonical correlations take {ENOUGH * rank}, or "
            "are far from 0 for independent embeddings"
        )
    return directions
