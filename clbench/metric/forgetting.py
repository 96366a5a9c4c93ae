"""What was known and is no longer, net of gains. V versions, E evaluation sets.

Forgetting has several definitions in use; those here are named after what the final accuracy is
subtracted from. None of them counts sets learnt in the last update: those had no time to be
forgotten. `accuracy` is [V, E], NaN where not asked; `learnt` [E] the version that has learnt it.
"""

import numpy as np
import numpy.typing as npt

from clbench.metric.accuracy import just_learnt
from clbench.metric.base import NotMeasured, metric

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]


@metric(direction="lower", range=(-1, 1), paper="arXiv:1801.10112")
def forgetting_from_peak(accuracy: FloatArray, learnt: IntArray) -> float:
    """Mean over sets of the best earlier accuracy minus the final one (Chaudhry et al. 2018).

    mean_e (max_{v < last} a[v, e] - a[last, e]): the final version is not part of the maximum, so
    a set that ends better than ever before counts negative.
    """
    return float(_lost_from_peak(accuracy, learnt).mean())


@metric(direction="lower", range=(-1, 1), paper="arXiv:1801.10112")
def forgetting_worst(accuracy: FloatArray, learnt: IntArray) -> float:
    """Largest loss of any one set: best earlier accuracy minus the final one.

    max_e (max_{v < last} a[v, e] - a[last, e]).
    """
    return float(_lost_from_peak(accuracy, learnt).max())


@metric(direction="lower", range=(-1, 1), paper="arXiv:2104.00405")
def forgetting_from_first(accuracy: FloatArray, learnt: IntArray) -> float:
    """Mean over sets of the accuracy just after learning minus the final one (Avalanche).

    mean_e (a[learnt_e, e] - a[last, e]) = -backward_transfer.
    """
    sets = learnt_before_last(accuracy, learnt)
    return float((just_learnt(accuracy, learnt) - accuracy[-1])[sets].mean())


def learnt_before_last(accuracy: FloatArray, learnt: IntArray) -> IntArray:
    """Indices of the sets that were learnt before the last update.

    Raises:
        NotMeasured: there are none.
    """
    sets = np.flatnonzero(learnt < len(accuracy) - 1)
    if not len(sets):
        raise NotMeasured("no evaluation set was learnt before the last update")
    return sets


def _lost_from_peak(accuracy: FloatArray, learnt: IntArray) -> FloatArray:
    """Peak minus final accuracy of each set learnt before the last update."""
    sets = learnt_before_last(accuracy, learnt)
    # fmax takes the number where the other is NaN (not asked)
    peak = np.fmax.reduce(accuracy[:-1, sets], axis=0)
    if np.isnan(peak).any():
        raise NotMeasured("an evaluation set was learnt before the last update and not asked")
    return np.asarray(peak - accuracy[-1, sets])
