"""Debiased linear CKA (Kornblith et al. 2019, 1905.00414), worked out in feature space.

The ratio of two unbiased estimates of HSIC (Song et al. 2012): 0 on average for independent
embeddings, however few samples and many features, where the biased one is 0.8 for 512 samples of
2048 features. No matrix over pairs of samples is needed: with centred X, Y and squared row norms
r, s, HSIC is ||Y'X||^2 - n/(n-2) sum r s + sum r sum s / ((n-1)(n-2)), up to a factor.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.similarity.pairs import (
    LEAST,
    FloatArray,
    Floats,
    Unfit,
    centred,
    check_pair,
)

FLAT = 1e-10  # of ||X'X||^2: below it an HSIC is rounding
Chunks = Callable[[], Iterable[tuple[Floats, Floats]]]


def linear_cka(first: Floats, second: Floats) -> float:
    """Debiased linear CKA of embeddings [n, d1] and [n, d2] of the same samples.

    Direction: higher; range: [-1, 1], 0 for independent embeddings; blind to rotations, isotropic
    scaling and translation, not to other linear maps; paper: arXiv:1905.00414.

    Raises:
        ClbenchError: see `pairs.check_pair`.
        Unfit: all samples are equally far apart, so that there is nothing to align.
    """
    check_pair(first, second)
    x, y = centred(first), centred(second)
    sums = _Sums(len(x), _alignment(x, x), _alignment(y, y), _alignment(x, y))
    return sums.with_norms(_norms(x), _norms(y)).cka()


def linear_cka_in_chunks(chunks: Chunks) -> float:
    """The same number from chunks ([m, d1], [m, d2]) of the samples, which are asked for twice.

    The first pass finds the means, without which sums of squares cancel (in float32 to NaN); one
    chunk and three matrices of features are held at a time. An average of the CKAs of batches is
    another, biased number: 0.68 for 0.63 with batches of 64.

    Raises:
        ClbenchError: a chunk is not a pair of embeddings of as many samples; the passes differ.
        Unfit: as `linear_cka`.
    """
    count, means = _means(chunks)
    if count < LEAST:
        raise Unfit(f"there are {count} samples; a similarity takes {LEAST} or more")
    (d1, d2), sums = map(len, means), _Sums(count)
    products = [np.zeros(shape) for shape in ((d1, d1), (d2, d2), (d1, d2))]
    for one, two in chunks():
        x, y = one - means[0], two - means[1]
        for total, (left, right) in zip(products, ((x, x), (y, y), (x, y)), strict=True):
            total += left.T @ right
        sums = sums.with_norms(_norms(x), _norms(y))
    if sums.seen != count:
        raise ClbenchError(f"the second pass gave {sums.seen} samples, the first {count}")
    sums.xx, sums.yy, sums.xy = (float(np.vdot(each, each)) for each in products)
    return sums.cka()


@dataclass
class _Sums:
    """What the ratio is made of: ||X'X||^2 and so on, and sums over squared row norms r, s."""

    n: int
    xx: float = 0.0
    yy: float = 0.0
    xy: float = 0.0
    r: float = 0.0
    s: float = 0.0
    rr: float = 0.0
    ss: float = 0.0
    rs: float = 0.0
    seen: int = 0

    def with_norms(self, r: FloatArray, s: FloatArray) -> "_Sums":
        self.r, self.s, self.seen = (
            self.r + float(r.sum()),
            self.s + float(s.sum()),
            self.seen + len(r),
        )
        self.rr, self.ss, self.rs = (
            self.rr + float(r @ r),
            self.ss + float(s @ s),
            self.rs + float(r @ s),
        )
        return self

    def cka(self) -> float:
        own = [self._hsic(self.xx, self.rr, self.r, self.r)]
        own += [self._hsic(self.yy, self.ss, self.s, self.s)]
        if own[0] <= FLAT * self.xx or own[1] <= FLAT * self.yy:
            raise Unfit("all samples are equally far apart on one side: there is no structure")
        ratio = self._hsic(self.xy, self.rs, self.r, self.s) / (sqrt(own[0]) * sqrt(own[1]))
        return min(1.0, max(-1.0, ratio))

    def _hsic(self, aligned: float, products: float, one: float, two: float) -> float:
        n = self.n
        return aligned - n / (n - 2) * products + one / (n - 1) * two / (n - 2)


def _alignment(x: FloatArray, y: FloatArray) -> float:
    """||X'Y||^2, over pairs of samples where these are few."""
    (n, d1), d2 = x.shape, y.shape[1]
    if n * (d1 + d2) < d1 * d2:
        return float(np.vdot(x @ x.T, y @ y.T))
    product = x.T @ y
    return float(np.vdot(product, product))


def _norms(x: FloatArray) -> FloatArray:
    return np.asarray(np.einsum("nd,nd->n", x, x))


def _means(chunks: Chunks) -> tuple[int, list[FloatArray]]:
    """How many samples there are, and the mean of each feature of both sides."""
    count, totals = 0, [np.zeros(0), np.zeros(0)]
    for pair in chunks():
        if any(each.ndim != 2 for each in pair) or len(pair[0]) != len(pair[1]):
            shapes = " and ".join(str(each.shape) for each in pair)
            raise ClbenchError(f"a chunk is [m, d1] and [m, d2] of the same samples; got {shapes}")
        if not all(np.isfinite(each).all() for each in pair):
            raise Unfit("embeddings are not finite: the model diverged")
        sums = [each.sum(axis=0, dtype=np.float64) for each in pair]
        totals = [new if not count else old + new for old, new in zip(totals, sums, strict=True)]
        count += len(pair[0])
    return count, [total / max(1, count) for total in totals]
