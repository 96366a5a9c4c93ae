"""Whether samples have the same nearest neighbours in two representations.

Chance depends on k and n, so both belong to such a number: independent representations share
k / (n - 1) of their neighbours. Neighbours are by cosine, the sample itself left out. Products are
in float32, which finds the same neighbours as float64 in half of the time.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

from clbench.metric.similarity.pairs import FloatArray, Floats, IntArray, Unfit, check_pair

K = 10
BLOCK = 1024  # samples whose similarities to all others are held at once
GROUP = 32  # samples of which only the nearest is looked at first


def knn_jaccard(first: Floats, second: Floats, k: int = K) -> float:
    """Mean over samples of |A and B| / |A or B|, A and B their k nearest in each representation.

    Direction: higher; range: [0, 1], by chance as `jaccard_chance` says; blind to rotations and
    isotropic scaling; paper: arXiv:2305.06329.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: there are not more than k samples; or an embedding is 0, and has no cosine.
    """
    shared = shared_neighbours(first, second, k)
    return float((shared / (2 * k - shared)).mean())


def mutual_knn(first: Floats, second: Floats, k: int = K) -> float:
    """Mean over samples of the share of its k nearest that both representations have in common.

    Direction: higher; range: [0, 1], k / (n - 1) by chance; blind to rotations and isotropic
    scaling; paper: arXiv:2405.07987.

    Raises:
        ClbenchError: as `knn_jaccard`.
    """
    return float(shared_neighbours(first, second, k).mean() / k)


def mutual_chance(n: int, k: int = K) -> float:
    """The mutual k-NN of n samples whose neighbours are drawn at random: k / (n - 1)."""
    return k / (n - 1)


def jaccard_chance(n: int, k: int = K) -> float:
    """The k-NN Jaccard of n samples whose neighbours are drawn at random.

    The neighbours in common are hypergeometric: k drawn among n - 1, of which k count.
    """
    low = max(0, 2 * k - (n - 1))
    shared = np.arange(low, k + 1)
    logs = _choose(k, shared) + _choose(n - 1 - k, k - shared) - _choose(n - 1, np.array(k))
    return float((np.exp(logs) * shared / (2 * k - shared)).sum())


def shared_neighbours(first: Floats, second: Floats, k: int = K) -> IntArray:
    """[n] how many of a sample's k nearest are the same in both representations."""
    check_pair(first, second)
    _check_k(k, len(first))
    sides = (_nearest(_directions(each), k) for each in (first, second))
    shared = [
        (a[:, :, None] == b[:, None, :]).sum(axis=(1, 2)) for a, b in zip(*sides, strict=True)
    ]
    return np.concatenate(shared)


def nearest_by_cosine(values: Floats, k: int = K) -> IntArray:
    """[n, k] the samples nearest to each of the embeddings [n, d], itself left out; nearest first.

    Raises:
        Unfit: there are not more than k samples, or an embedding is 0.
    """
    _check_k(k, len(values))
    directions = _directions(values)
    found = np.concatenate(list(_nearest(directions, k)))
    cosines = np.stack([(directions * directions[each]).sum(axis=1) for each in found.T], axis=1)
    return np.take_along_axis(found, np.argsort(-cosines, axis=1, kind="stable"), axis=1)


def _check_k(k: int, n: int) -> None:
    if not 0 < k < n:
        raise Unfit(
            f"k is {k} for {n} samples; a sample has at least 1 and at most {n - 1} neighbours"
        )


def _directions(values: Floats) -> npt.NDArray[np.float32]:
    lengths = np.linalg.norm(values.astype(np.float64), axis=1, keepdims=True)
    if not lengths.all():
        raise Unfit(
            f"{int((lengths == 0).sum())} of {len(values)} embeddings are 0, and have no cosine"
        )
    return np.asarray(values / lengths, dtype=np.float32)


def _nearest(directions: npt.NDArray[np.float32], k: int) -> Iterator[IntArray]:
    """[block, k] the nearest of the samples of a block, in no order."""
    n = len(directions)
    filled = np.pad(directions, ((0, -n % GROUP), (0, 0)))
    for start in range(0, n, BLOCK):
        cosines = directions[start : start + BLOCK] @ filled.T
        rows = np.arange(len(cosines))
        cosines[rows, start + rows] = -np.inf
        cosines[:, n:] = -np.inf
        yield _largest(cosines, k)


def _largest(cosines: npt.NDArray[np.float32], k: int) -> IntArray:
    """[rows, k] the columns with the largest values, which lie in the k best groups of columns."""
    width = cosines.shape[1] // GROUP
    best = cosines.reshape(len(cosines), GROUP, width).max(axis=1)
    groups = np.argpartition(best, -min(k, width), axis=1)[:, -k:]
    columns = (groups[:, :, None] + width * np.arange(GROUP)).reshape(len(cosines), -1)
    among = np.take_along_axis(cosines, columns, axis=1)
    return np.take_along_axis(columns, np.argpartition(among, -k, axis=1)[:, -k:], axis=1)


def _choose(n: int, k: IntArray) -> FloatArray:
    """The logarithm of the binomial coefficient."""
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))
