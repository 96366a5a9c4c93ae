"""How well the last version's probabilities agree with its errors. n samples."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]

BINS = 15


@metric(direction="lower", range=(0, 1), paper="arXiv:1706.04599")
def expected_calibration_error(confidence: FloatArray, correct: Sequence[BoolArray]) -> float:
    """Mean gap between the confidence in the top answer and its accuracy, over 15 equal bins.

    sum_b (n_b / n) |accuracy_b - confidence_b| with bins (b/15, (b+1)/15] (Guo et al. 2017).
    `confidence` [n], `correct` [V] of [n_v]; the last version's are used.
    """
    if not len(confidence):
        raise NotMeasured("the last version was asked nothing")
    bins = np.clip(np.ceil(confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
    # n_b cancels: what is left is the sum over the bin of (correct - confidence)
    gaps = np.bincount(bins, weights=correct[-1] - confidence, minlength=BINS)
    return float(np.abs(gaps).sum() / len(confidence))


@metric(direction="lower", range=(0, float("inf")), paper="arXiv:1706.04599", unit="nats")
def negative_log_likelihood(nll: FloatArray) -> float:
    """Mean of -log p(right label) over all test samples, under the last version.

    `nll` [n], in nats.
    """
    if not len(nll):
        raise NotMeasured("the last version was asked nothing")
    return float(nll.mean())
