"""Ridge heads on frozen features for many subsets at once, in closed form."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from clbench.errors import ClbenchError

BoolArray = npt.NDArray[np.bool_]
AT_A_TIME_BYTES = 256 << 20  # of Gram matrices


def ridge_heads(
    features: Tensor, targets: Tensor, masks: BoolArray, penalty: float
) -> Iterator[tuple[Tensor, Tensor]]:
    """Weights [k, C, d] and biases [k, C] of ridge regressions on subsets, some at a time.

    For each mask the minimiser of |targets - features w' - b|^2 + penalty |w|^2 over its samples;
    the bias is not penalised. Sums are those of the type of `features`: in float64 the result is
    that of scikit-learn's Ridge to rounding. The Gram matrix of each subset is made from its own
    samples or, where these are the most, from that of all less that of the others.

    Args:
        features: [n, d].
        targets: [n, C], such as one-hot labels.
        masks: [K, n], of which every row has a sample.
        penalty: above 0.

    Raises:
        ClbenchError: shapes do not fit, a mask is empty, or the penalty is not above 0.
    """
    _check(features, targets, masks, penalty)
    x = torch.cat([features, torch.ones_like(features[:, :1])], dim=1)  # the last row sums
    sums = _Sums(x, targets)
    d = features.shape[1]
    size = max(1, AT_A_TIME_BYTES // ((d + 1) ** 2 * x.element_size()))
    for start in range(0, len(masks), size):
        found = [sums.of(mask) for mask in masks[start : start + size]]
        grams, products = (torch.stack(each) for each in zip(*found, strict=True))
        yield _solved(grams, products, penalty)


class _Sums:
    """x'x and x'y over subsets of rows: parts of one product of both side by side."""

    def __init__(self, x: Tensor, y: Tensor) -> None:
        self._both, self._width = torch.cat([x, y], dim=1), x.shape[1]
        self._all = self._products(np.ones(len(x), dtype=bool))

    def of(self, mask: BoolArray) -> tuple[Tensor, Tensor]:
        most = 2 * int(mask.sum()) > len(mask)
        found = self._products(mask != most)
        found = self._all - found if most else found
        return found[: self._width, : self._width], found[: self._width, self._width :]

    def _products(self, mask: BoolArray) -> Tensor:
        if self._both.device.type != "cpu":
            some = self._both[torch.from_numpy(mask).to(self._both.device)]
            return some.T @ some
        # numpy sees that it is symmetric, half the work, and has threads of its own: were torch to
        # gather the rows, its threads would wait for work on the cores that these need
        array = self._both.numpy()[mask]
        return torch.from_numpy(array.T @ array)


def _solved(grams: Tensor, products: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """From sums with a last row for the constant to weights and biases."""
    count = grams[:, -1, -1][:, None]
    mean, mean_y = grams[:, -1, :-1] / count, products[:, -1] / count
    centred = grams[:, :-1, :-1] - torch.einsum("ki,kj->kij", mean * count, mean)
    aligned = products[:, :-1] - torch.einsum("ki,kc->kic", mean * count, mean_y)
    centred.diagonal(dim1=1, dim2=2).add_(penalty)
    weights = torch.cholesky_solve(aligned, torch.linalg.cholesky(centred)).mT
    return weights, mean_y - torch.einsum("kci,ki->kc", weights, mean)


def _check(features: Tensor, targets: Tensor, masks: BoolArray, penalty: float) -> None:
    if not len(features) == len(targets) == masks.shape[1]:
        raise ClbenchError(
            f"there are {len(features)} features, {len(targets)} targets and masks of "
            f"{masks.shape[1]} samples; all three must be of the same samples"
        )
    if not masks.any(axis=1).all():
        raise ClbenchError("a mask has no sample; every head needs one")
    if not penalty > 0:
        raise ClbenchError(f"the ridge penalty is {penalty}; it must be above 0")
