"""Datamodels: outputs as linear functions of which training samples were there (2202.00622)."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.seeds import derive

FloatArray = npt.NDArray[np.floating[Any]]
BoolArray = npt.NDArray[np.bool_]

RIDGES = tuple(float(r) for r in np.logspace(-2, 5, 22))
SHARES = tuple(float(s) for s in np.logspace(0, -2, 20))  # of the least penalty without a weight
HELD_OUT = 5  # one subset in so many chooses the penalty of the lasso


@dataclass(frozen=True)
class Datamodels:
    """a_j(S) = bias_j + sum of weights_ij over i in S, for each output j.

    Attributes:
        weights: [n, m, C], what the presence of training sample i adds to logit c of query j.
        bias: [m, C].
        penalty: of the ridge, on sums of squares; or the lasso's share (see `lasso_datamodels`).
    """

    weights: FloatArray
    bias: FloatArray
    penalty: float

    def predict(self, masks: BoolArray) -> FloatArray:
        """Outputs [K, m, C] of models trained on the subsets `masks` [K, n]."""
        return np.tensordot(masks.astype(self.weights.dtype), self.weights, 1) + self.bias

    def effect(self, removed: npt.NDArray[Any]) -> FloatArray:
        """What outputs [m, C] lose when samples (indices, or bool [n]) are not trained on."""
        return self.weights[removed].sum(axis=0)  # type: ignore[no-any-return]


def random_subsets(n: int, count: int, share: float, seed: int) -> BoolArray:
    """[count, n] inclusion masks of subsets of the same size, drawn alike and independently.

    Subset k depends on the seed and on k alone, so that more of them extend the same list.

    Raises:
        ClbenchError: subsets would be empty or whole.
    """
    size = round(share * n)
    if not 0 < size < n:
        raise ClbenchError(
            f"subsets of a share {share:g} of {n} samples have {size}; it must be 1 to {n - 1}"
        )
    masks = np.zeros((count, n), dtype=np.bool_)
    for k, row in enumerate(masks):
        row[np.random.default_rng(derive(seed, "subset", k)).permutation(n)[:size]] = True
    return masks


def ridge_datamodels(
    masks: BoolArray, outputs: FloatArray, penalty: float | None = None
) -> Datamodels:
    """Ridge regression with intercept of outputs [K, m, C] on masks [K, n].

    Without a penalty, that of `RIDGES` which errs least when each subset is left out (in closed
    form), over all outputs together.

    Raises:
        ClbenchError: masks and outputs do not fit, are not finite, or are too few.
    """
    from sklearn.linear_model import Ridge

    _check(masks, outputs)
    chosen = choose_penalty(masks, outputs) if penalty is None else penalty
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    fit = Ridge(alpha=chosen).fit(masks.astype(np.float64), flat)
    return _shaped(np.atleast_2d(fit.coef_).T, np.atleast_1d(fit.intercept_), outputs, chosen)


def choose_penalty(masks: BoolArray, outputs: FloatArray) -> float:
    """The ridge of `RIDGES` with the least leave-one-out error over all outputs [K, m, C]."""
    from sklearn.linear_model import RidgeCV

    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    return float(RidgeCV(alphas=RIDGES).fit(masks.astype(np.float64), flat).alpha_)


def ridge_contrast(masks: BoolArray, removed: BoolArray, penalty: float) -> FloatArray:
    """Weights [K] of models such that sum_k w_k a_k(x) is what x's outputs lose with `removed`.

    Ridge datamodels are linear in the outputs that they are fitted to, so the sum of their weights
    over a set of samples is one fixed combination of the models, for any input. It sums to 0.
    """
    centred = masks - masks.mean(axis=0)
    kernel = centred @ centred.T
    kernel.flat[:: len(kernel) + 1] += penalty
    return np.linalg.solve(kernel, centred @ removed)


def lasso_datamodels(
    masks: BoolArray, outputs: FloatArray, penalty: float | None = None
) -> Datamodels:
    """Lasso with intercept of each output of [K, m, C] on masks [K, n], as in the paper.

    `penalty` is a share of the least one at which all weights of an output are 0, so that outputs
    of any scale are treated alike. Without it, that of `SHARES` which errs least on each fifth
    subset, over all outputs together (the paper chooses one an output, from 100).

    Raises:
        ClbenchError: masks and outputs do not fit, are not finite, or are too few.
    """
    _check(masks, outputs)
    chosen = choose_share(masks, outputs) if penalty is None else penalty
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    weights, bias = _lasso_paths(masks, flat, (chosen,))
    return _shaped(weights[0], bias[0], outputs, chosen)


def choose_share(masks: BoolArray, outputs: FloatArray) -> float:
    """The lasso's share of `SHARES` with the least squared error on subsets left out."""
    flat = outputs.reshape(len(outputs), -1).astype(np.float64)
    held = np.arange(len(masks)) % HELD_OUT == HELD_OUT - 1
    weights, bias = _lasso_paths(masks[~held], flat[~held], SHARES)
    errors = masks[held].astype(np.float64) @ weights + bias[:, None] - flat[held]
    return SHARES[int(np.square(errors).mean(axis=(1, 2)).argmin())]


def _lasso_paths(
    masks: BoolArray, flat: FloatArray, shares: tuple[float, ...]
) -> tuple[FloatArray, FloatArray]:
    """Weights [shares, n, outputs] and biases [shares, outputs], each path with warm starts."""
    mean, means = masks.mean(axis=0), flat.mean(axis=0)
    x, y = np.asfortranarray(masks - mean), flat - means
    least = np.abs(x.T @ y).max(axis=0) / len(x)
    weights = np.zeros((len(shares), x.shape[1], y.shape[1]))
    for j in np.flatnonzero(least > 0):
        weights[:, :, j] = _lasso_path(x, y[:, j], least[j] * np.array(shares)).T
    return weights, means - mean @ weights


def _lasso_path(x: FloatArray, y: FloatArray, penalties: FloatArray) -> FloatArray:
    """Weights [n, penalties] of centred data, penalties falling."""
    from sklearn.linear_model import lasso_path

    path: Callable[..., Any] = lasso_path
    return path(x, y, alphas=penalties, max_iter=20_000, precompute=False)[1]  # type: ignore[no-any-return]


def _shaped(
    weights: FloatArray, bias: FloatArray, outputs: FloatArray, penalty: float
) -> Datamodels:
    shape, dtype = outputs.shape[1:], np.result_type(outputs.dtype, np.float32)
    weights = weights.reshape(len(weights), *shape).astype(dtype)
    return Datamodels(weights, bias.reshape(shape).astype(dtype), penalty)


def _check(masks: BoolArray, outputs: FloatArray) -> None:
    if masks.dtype != np.bool_ or masks.ndim != 2 or outputs.ndim != 3:
        raise ClbenchError(
            f"datamodels take bool masks [K, n] and outputs [K, m, C], not {masks.dtype} masks "
            f"{masks.shape} and outputs {outputs.shape}"
        )
    if len(masks) != len(outputs) or len(masks) < HELD_OUT:
        raise ClbenchError(
            f"{len(masks)} masks and outputs of {len(outputs)} models; datamodels need as many of "
            f"both, and {HELD_OUT} or more"
        )
    if not np.isfinite(outputs).all():
        raise ClbenchError("datamodels cannot be fitted: outputs of a model are not finite")
