"""Two sets of embeddings of the same samples: what can be compared, and why something cannot."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg import qr

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured

Floats = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
LEAST = 4  # samples: debiased estimates divide by n - 3
Similarity = Callable[[Floats, Floats], float]


class Unfit(ClbenchError, NotMeasured):  # noqa: N818 - also an outcome, as NotMeasured is
    """Embeddings that have no similarity: an error where they are given, a reason in a score."""


@dataclass(frozen=True)
class Embedded:
    """Embeddings [n, d] of the samples with these ids [n]."""

    values: Floats
    samples: IntArray

    def __post_init__(self) -> None:
        if self.values.ndim != 2 or self.samples.shape != self.values.shape[:1]:
            raise ClbenchError(
                "embeddings [n, d] come with n ids of samples; got shapes "
                f"{self.values.shape} and {self.samples.shape}"
            )


def check_same_samples(first: Embedded, second: Embedded) -> None:
    """Refuse embeddings of other samples, or in another order.

    Raises:
        ClbenchError: naming how many differ.
    """
    one, two = first.samples, second.samples
    if np.array_equal(one, two):
        return
    if strangers := len(np.setxor1d(one, two)):
        raise ClbenchError(
            f"{strangers} samples have an embedding on one side alone ({len(one)} and {len(two)} "
            "are given); compare embeddings of the same samples"
        )
    raise ClbenchError(
        "both sides embed the same samples in another order or another number of times; sort both "
        "by their ids"
    )


def check_pair(first: Floats, second: Floats) -> None:
    """Refuse arrays that no measure is defined for.

    Raises:
        ClbenchError: they are not [n, d1] and [n, d2].
        Unfit: there are fewer than 4 samples, a value is not finite, or all samples have the same
            embedding.
    """
    if first.ndim != 2 or second.ndim != 2 or len(first) != len(second):
        raise ClbenchError(
            "embeddings of the same samples are [n, d1] and [n, d2]; got shapes "
            f"{first.shape} and {second.shape}"
        )
    if len(first) < LEAST:
        raise Unfit(f"there are {len(first)} samples; a similarity takes {LEAST} or more")
    for side, values in (("first", first), ("second", second)):
        # a sum is finite where all are, but for an overflow that float64 takes from no float32
        if not np.isfinite(values.sum(dtype=np.float64)) and not np.isfinite(values).all():
            bad = int((~np.isfinite(values)).any(axis=1).sum())
            raise Unfit(
                f"{bad} of the {side} {len(values)} embeddings are not finite: the model diverged"
            )
        if (values == values[:1]).all():
            raise Unfit(f"the {side} embeddings are the same for all samples: they tell none apart")


def centred(values: Floats) -> FloatArray:
    """Each feature less its mean, in float64: a copy [n, d]."""
    moved = values.astype(np.float64)
    moved -= moved.mean(axis=0)
    return moved


def in_few_dimensions(values: FloatArray) -> FloatArray:
    """The same points [n, d], up to a rotation, in at most n dimensions."""
    n, d = values.shape
    if d <= n:
        return values
    return np.asarray(qr(values.T, mode="r", check_finite=False)[0][:n].T)
