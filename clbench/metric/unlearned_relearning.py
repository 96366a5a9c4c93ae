"""What comes back of what was forgotten, and what was lost beside it, over N models.

All of it is recorded with `--relearn` alone. What is really gone comes back no faster and no
further than it comes to the oracles, who never knew it. Relearning that is not ended by the last
step counts with that step: the mean of such times is the restricted mean of survival analysis,
which is known whatever comes later. Originals that failed to learn are left out of times, as what
they never knew cannot come back.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric import collateral
from clbench.metric import relearning as defined
from clbench.metric.base import NotMeasured
from clbench.metric.group import group_metric
from clbench.metric.relearnt import Relearning

BySet = Mapping[str, npt.NDArray[np.integer]]
Floats = Mapping[str, npt.NDArray[np.floating]]
Neighbours = tuple[npt.NDArray[np.integer], ...]
Damage = Callable[..., float]
ROUNDING = 1e-6  # of a loss that is worked out twice


@group_metric(direction="neither", range=(0, np.inf), paper="arXiv:2201.05629", unit="count")
def relearn_steps(relearning: Relearning) -> float:
    """Steps until forget accuracy is within 5 % of the original's: restricted mean over models."""
    return float(_steps(relearning).mean())


@group_metric(direction="neither", range=(0, np.inf), paper="arXiv:1911.04933", unit="count")
def relearn_epochs(relearning: Relearning) -> float:
    """Epochs until the forget loss is the original's or less: restricted mean over models."""
    return float(_epochs(relearning).mean())


@group_metric(direction="neither", range=(0, np.inf), paper="arXiv:2201.05629", unit="ratio")
def anamnesis_index(relearning: Relearning, oracle_relearning: Relearning) -> float:
    """AIN: relearn time over that of the oracles, restricted means in steps; 1 is best.

    Much below 1 memory is left; much above 1 learning again was made hard, which it is not for the
    oracles. It says nothing where no oracle relearns in time.
    """
    if not _ever(oracle_relearning):
        raise NotMeasured(f"no oracle learns it again within {oracle_relearning.steps[-1]} steps")
    own, theirs = (float(_steps(each).mean()) for each in (relearning, oracle_relearning))
    return defined.anamnesis_index(own, theirs)


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2405.17878")
def head_recovery(recovery: Floats) -> float:
    """Forget accuracy of a new head on the frozen representation, learnt from 2 % of the data."""
    return _recovered(recovery, "head")


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2405.17878")
def full_recovery(recovery: Floats) -> float:
    """Forget accuracy of the whole network, trained on with 2 % of the data."""
    return _recovered(recovery, "full")


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2506.01318")
def prototype_recovery(recovery: Floats) -> float:
    """Forget accuracy of the nearest of class means of five samples each, on the representation."""
    return _recovered(recovery, "prototypes")


@group_metric(direction="lower", range=(-1, 1), paper="arXiv:2506.01318")
def collateral_damage(
    predicted: BySet,
    oracle_predicted: BySet,
    labels: BySet,
    samples: BySet,
    neighbours: Neighbours,
) -> float:
    """Accuracy lost, beside the oracles, on the retained tenth nearest to what was forgotten.

    Nearest in the representation of each model's own original. 0 is best; below it, more was kept
    than the oracles have.
    """
    args = predicted, oracle_predicted, labels, samples, neighbours
    return _beside(collateral.collateral_damage, *args)


@group_metric(direction="lower", range=(-2, 2), paper="arXiv:2506.01318")
def collateral_excess(
    predicted: BySet,
    oracle_predicted: BySet,
    labels: BySet,
    samples: BySet,
    neighbours: Neighbours,
) -> float:
    """Collateral damage minus the same on all other retained samples; 0 is best."""
    args = predicted, oracle_predicted, labels, samples, neighbours
    return _beside(collateral.collateral_excess, *args)


def _steps(curves: Relearning) -> npt.NDArray[np.float64]:
    """Steps, or the last one, of each model whose original answered any of it right."""
    known = curves.original_accuracy > 0
    if not known.any():
        raise NotMeasured("originals answer none of it right, so that nothing can come back")
    pairs = zip(curves.accuracy[known], curves.original_accuracy[known], strict=True)
    times = (_restricted(defined.relearn_time, *pair) for pair in pairs)
    return np.array([curves.steps[time] for time in times], dtype=np.float64)


def _ever(curves: Relearning) -> bool:
    """Whether any model is within its last step as accurate as it takes."""
    goals = (1 - defined.ALPHA) * curves.original_accuracy
    return bool((curves.accuracy >= goals[:, None]).any())


def _epochs(curves: Relearning) -> npt.NDArray[np.float64]:
    """[N] epochs, or the last one, by the losses at their ends."""
    ends = np.flatnonzero(curves.steps % curves.epoch == 0)
    goals = curves.original_loss * (1 + ROUNDING)
    pairs = zip(curves.loss[:, ends], goals, strict=True)
    times = (_restricted(defined.relearn_time_of_loss, *pair) for pair in pairs)
    return np.array(list(times), dtype=np.float64)


def _restricted(time: Callable[..., float], curve: npt.NDArray[np.floating], goal: float) -> int:
    """Where on a curve the goal is reached; its end if it is not."""
    try:
        return int(time(curve, goal))
    except NotMeasured:
        return len(curve) - 1


def _recovered(recovery: Floats, attack: str) -> float:
    return float(np.mean([defined.recovered_accuracy(curve) for curve in recovery[attack]]))


def _beside(
    damage: Damage,
    predicted: BySet,
    oracle_predicted: BySet,
    labels: BySet,
    samples: BySet,
    neighbours: Neighbours,
) -> float:
    """Mean over models of their damage, each by the neighbours that its own original has."""
    right = labels["retain"]
    correct, oracle = (each["retain"] == right for each in (predicted, oracle_predicted))
    ids = samples["retain"]
    pairs = zip(correct, neighbours, strict=True)
    return float(np.mean([damage(own[None], oracle, ids, near) for own, near in pairs]))
