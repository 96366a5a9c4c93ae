"""Orthogonal Procrustes: how near a rotation brings one representation to another."""

from math import asin, sqrt

import numpy as np
from scipy.linalg import svd, svdvals

from clbench.metric.similarity.pairs import (
    FloatArray,
    Floats,
    centred,
    check_pair,
    in_few_dimensions,
)

NEAR = 1e-6  # where 2 - 2 ||X'Y||_* keeps fewer than ten digits, the residual is worked out


def procrustes_distance(first: Floats, second: Floats) -> float:
    """Squared distance of embeddings [n, d1] and [n, d2] after the best rotation: 2 - 2 ||X'Y||_*.

    Both are centred and have Frobenius norm 1; the narrower one is filled up with zeros. Some code
    reports half of this.
    Direction: lower; range: [0, 2]; blind to rotations, isotropic scaling and translation; paper:
    arXiv:2108.01661.

    Raises:
        ClbenchError: see `pairs.check_pair`.
    """
    check_pair(first, second)
    return _squared(*(_normed(each) for each in (first, second)))


def procrustes_angle(first: Floats, second: Floats) -> float:
    """The angle between embeddings after the best rotation, arccos ||X'Y||_*, in radians.

    Unlike the squared distance it is a metric: it meets the triangle inequality.
    Direction: lower; range: [0, pi / 2]; paper: arXiv:2110.14739.

    Raises:
        ClbenchError: see `pairs.check_pair`.
    """
    # arccos loses half of the digits near 0
    return 2 * asin(min(1.0, sqrt(procrustes_distance(first, second)) / 2))


def _squared(x: FloatArray, y: FloatArray) -> float:
    product = x.T @ y
    distance = max(0.0, 2 - 2 * float(svdvals(product).sum()))
    return _residual(x, y, product) if distance < NEAR else min(2.0, distance)


def _residual(x: FloatArray, y: FloatArray, product: FloatArray) -> float:
    """||XQ - Y||^2 with the best rotation Q, where the difference of norms is rounding."""
    left, _, right = svd(product)
    turned, target = x @ left, y @ right.T
    shared = min(turned.shape[1], target.shape[1])
    beyond = (turned[:, shared:], target[:, shared:])
    parts = (turned[:, :shared] - target[:, :shared], *beyond)
    return float(sum(np.vdot(each, each) for each in parts))


def _normed(values: Floats) -> FloatArray:
    x = in_few_dimensions(centred(values))
    return np.asarray(x / np.linalg.norm(x))
