"""Similarities of two tables of distances between samples: distance correlation and RSA."""

from collections.abc import Iterator
from math import sqrt

import numpy as np
import numpy.typing as npt

from clbench.metric.similarity.pairs import (
    FloatArray,
    Floats,
    IntArray,
    Unfit,
    centred,
    check_pair,
)

BLOCK = 512  # samples whose distances to all others are held at once
MOST = 2000  # samples of an RSA: 2 million pairs; another draw of them moves it by 0.005
FLAT = 1e-12  # of the sum of squares: below it a variance is rounding


def distance_correlation(first: Floats, second: Floats) -> float:
    """Unbiased squared distance correlation of embeddings [n, d1] and [n, d2].

    From Euclidean distances, U-centred; it sees dependence that is not linear, too. The biased form
    is 0.9 for 500 independent samples of 2048 features, where this is 0.
    Direction: higher; range: [-1, 1], 0 for independent embeddings; blind to rotations, isotropic
    scaling and translation; paper: doi:10.1214/14-AOS1255.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: all samples are equally far apart.
    """
    check_pair(first, second)
    n = len(first)
    sides = [centred(each) for each in (first, second)]
    rows: list[FloatArray] = []
    totals = np.zeros(3)
    for a, b in zip(*map(_distances, sides), strict=True):
        totals += [np.vdot(a, a), np.vdot(b, b), np.vdot(a, b)]
        rows.append(np.stack([a.sum(axis=1), b.sum(axis=1)]))
    a_rows, b_rows = np.concatenate(rows, axis=1)
    pairs = ((a_rows, a_rows), (b_rows, b_rows), (a_rows, b_rows))
    aa, bb, ab = (_u_centred(total, *pair, n) for total, pair in zip(totals, pairs, strict=True))
    if aa <= FLAT * totals[0] or bb <= FLAT * totals[1]:
        raise Unfit("all samples are equally far apart on one side: there is no structure")
    return float(np.clip(ab / (sqrt(aa) * sqrt(bb)), -1, 1))


def rsa(first: Floats, second: Floats) -> float:
    """Spearman correlation of the distances between all pairs of samples in two representations.

    Euclidean distances, ties at their mean rank. All samples take part: choose among many with
    `hashed_subset`.
    Direction: higher; range: [-1, 1]; blind to rotations, isotropic scaling and translation; paper:
    doi:10.3389/neuro.06.004.2008.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: all samples are equally far apart.
    """
    check_pair(first, second)
    one, two = (_ranks(_pairs(centred(each))) for each in (first, second))
    one -= one.mean()
    two -= two.mean()
    lengths = np.linalg.norm(one) * np.linalg.norm(two)
    if not lengths:
        raise Unfit("all samples are equally far apart on one side: there is no order of distances")
    return float(np.clip(one @ two / lengths, -1, 1))


def hashed_subset(samples: IntArray, most: int = MOST) -> npt.NDArray[np.int64]:
    """Rows of at most so many samples, chosen by a hash of their ids; ascending.

    The same ids are chosen whatever stands beside them or in which order, so that numbers of
    different runs are about the same samples.
    """
    order = np.lexsort((samples, _hash(samples)))
    return np.sort(order[:most])


def _hash(ids: IntArray) -> npt.NDArray[np.uint64]:
    """SplitMix64 of each id."""
    with np.errstate(over="ignore"):
        z = ids.astype(np.uint64) + np.uint64(0x9E3779B97F4A7C15)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def _u_centred(products: float, a: FloatArray, b: FloatArray, n: int) -> float:
    """The sum of products of two U-centred tables of distances, from those of the tables."""
    corner = a.sum() / (n - 1) * b.sum() / (n - 2)
    return float(products - 2 / (n - 2) * (a @ b) + corner)


def _distances(x: FloatArray) -> Iterator[FloatArray]:
    """[block, n] Euclidean distances of the samples of a block to all."""
    squares = np.einsum("nd,nd->n", x, x)
    for start in range(0, len(x), BLOCK):
        some = x[start : start + BLOCK]
        found = squares[start : start + BLOCK, None] + squares - 2 * (some @ x.T)
        rows = np.arange(len(some))
        found[rows, start + rows] = 0
        yield np.sqrt(np.maximum(found, 0, out=found), out=found)


def _pairs(x: FloatArray) -> FloatArray:
    """Distances of all pairs of samples, each once."""
    starts = range(0, len(x), BLOCK)
    parts = []
    for start, found in zip(starts, _distances(x), strict=True):
        above = np.arange(len(x)) > start + np.arange(len(found))[:, None]
        parts.append(found[above])
    return np.concatenate(parts)


def _ranks(values: FloatArray) -> FloatArray:
    """The rank of each value, equal ones at the mean of theirs."""
    order = np.argsort(values)
    ordered = values[order]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]]))
    counts = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(starts + (counts - 1) / 2, counts)
    return ranks
