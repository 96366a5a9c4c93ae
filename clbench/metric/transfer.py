"""What learning one thing does to the others. V versions, E evaluation sets.

`accuracy` is [V, E], NaN where not asked; `learnt` [E] the version that has learnt each set.
"""

import numpy as np
import numpy.typing as npt

from clbench.metric.accuracy import just_learnt
from clbench.metric.base import NotMeasured, metric
from clbench.metric.forgetting import learnt_before_last

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.integer]


@metric(direction="higher", range=(-1, 1), paper="arXiv:1706.08840")
def backward_transfer(accuracy: FloatArray, learnt: IntArray) -> float:
    """Mean over sets of the final accuracy minus that just after learning (BWT of GEM).

    mean_e (a[last, e] - a[learnt_e, e]) over the sets learnt before the last update.
    """
    sets = learnt_before_last(accuracy, learnt)
    return float((accuracy[-1] - just_learnt(accuracy, learnt))[sets].mean())


@metric(direction="higher", range=(-1, 1), paper="arXiv:1706.08840")
def forward_transfer(accuracy: FloatArray, learnt: IntArray, initial_accuracy: FloatArray) -> float:
    """Mean over sets of the accuracy just before learning minus version 0's (FWT of GEM).

    mean_e (a[learnt_e - 1, e] - a[0, e]) over the sets learnt after the first update.
    """
    sets = np.flatnonzero(learnt > 1)
    if not len(sets):
        raise NotMeasured("no evaluation set was learnt after the first update")
    before = learnt[sets] - 1
    ahead = accuracy[before, sets] - initial_accuracy[sets]
    if np.isnan(ahead).any():
        version = before[np.isnan(ahead)][0]
        raise NotMeasured(f"version {version} has no output for classes of later updates")
    return float(ahead.mean())


@metric(direction="lower", range=(-1, 1), paper="arXiv:1801.10112")
def intransigence(accuracy: FloatArray, learnt: IntArray, joint_accuracy: FloatArray) -> float:
    """Mean over sets of joint training's accuracy minus the method's, just after learning.

    mean_e (a*[learnt_e, e] - a[learnt_e, e]) where a* [V, E] is the control `joint`, trained on all
    data up to the same update (Chaudhry et al. 2018).
    """
    if joint_accuracy.shape != accuracy.shape:
        raise NotMeasured(f"joint has accuracies {joint_accuracy.shape}, the run {accuracy.shape}")
    return float((just_learnt(joint_accuracy, learnt) - just_learnt(accuracy, learnt)).mean())
