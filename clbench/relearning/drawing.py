"""Which samples an attacker has, drawn class by class."""

from collections.abc import Callable

import numpy as np

from clbench.source.base import IntArray


def shares(share: float) -> Callable[[int], int]:
    """Of a class, a share, and one sample at least."""
    return lambda n: max(1, round(share * n))


def shots(k: int) -> Callable[[int], int]:
    """Of a class, k samples, but no more than leaves as many to be asked; one at least."""
    return lambda n: max(1, min(k, n // 2))


def drawn(ids: IntArray, y: IntArray, many: Callable[[int], int], seed: int) -> IntArray:
    """Of `ids` [n] with labels `y` [n], as many a class as `many` says of its size; ascending."""
    rng = np.random.default_rng(seed)
    parts = [rng.permutation(ids[y == c])[: many(int((y == c).sum()))] for c in np.unique(y)]
    return np.sort(np.concatenate(parts)) if parts else ids[:0]
