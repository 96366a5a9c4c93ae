"""How often the answers are right. V versions, E evaluation sets, n samples."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]


@metric(direction="higher", range=(0, 1), paper="arXiv:1611.07725")
def final_accuracy(correct: Sequence[BoolArray]) -> float:
    """Share of all test samples that the last version gets right.

    Every sample weighs the same: sum(correct) / n. `correct` is [V] of [n_v].
    """
    if not len(correct[-1]):
        raise NotMeasured("the last version was asked nothing")
    return float(correct[-1].mean())


@metric(direction="higher", range=(0, 1), paper="arXiv:1706.08840")
def average_accuracy(accuracy: FloatArray) -> float:
    """Mean over the evaluation sets of the last version's accuracy (ACC of GEM).

    Every set weighs the same, whatever its size: (1/E) sum_e a[last, e]. `accuracy` is [V, E].
    """
    return _mean(accuracy[-1], "the last version was not asked every evaluation set")


@metric(direction="higher", range=(0, 1), paper="arXiv:1611.07725")
def average_incremental_accuracy(correct: Sequence[BoolArray], known: Sequence[BoolArray]) -> float:
    """Mean over versions of the accuracy on all test samples of what was learnt so far (iCaRL).

    Within a version every sample weighs the same; versions that have learnt nothing do not count.
    `correct` and `known` are [V] of [n_v].
    """
    pairs = zip(correct, known, strict=True)
    shares = [float(right[seen].mean()) for right, seen in pairs if seen.any()]
    if not shares:
        raise NotMeasured("no version has learnt anything that it was asked")
    return float(np.mean(shares))


@metric(direction="higher", range=(0, 1), paper="arXiv:1810.11910")
def learning_accuracy(accuracy: FloatArray, learnt: IntArray) -> float:
    """Mean over the evaluation sets of the accuracy just after each was learnt.

    (1/E) sum_e a[learnt_e, e]. `accuracy` is [V, E], `learnt` [E].
    """
    return float(just_learnt(accuracy, learnt).mean())


def just_learnt(accuracy: FloatArray, learnt: IntArray) -> FloatArray:
    """[E] accuracy on each set of the first version that has learnt it.

    Raises:
        NotMeasured: that version was not asked.
    """
    values = accuracy[learnt, np.arange(len(learnt))]
    _mean(values, "an evaluation set was not asked just after it was learnt")
    return np.asarray(values)


def _mean(values: FloatArray, why: str) -> float:
    if np.isnan(values).any():
        raise NotMeasured(why)
    return float(values.mean())
