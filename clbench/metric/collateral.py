"""Damage beside the forget set: answers [models, samples] on what was to be kept.

`correct` says whether unlearned models [N, n] answer retained or test samples right, and
`oracle_correct` [M, n] whether oracles do.
"""

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured

BoolArray = npt.NDArray[np.bool_]
IntArray = npt.NDArray[np.integer]


def collateral_damage(
    correct: BoolArray, oracle_correct: BoolArray, ids: IntArray, neighbours: IntArray
) -> float:
    """Accuracy that unlearning lost, beside oracles, on retained samples near the forget set.

    mean oracle accuracy - mean accuracy over the samples of `ids` [n] that are among `neighbours`.
    Above 0: more was unlearned than asked, OU@epsilon where neighbours lie within epsilon.
    Direction: lower, ideally 0; range: [-1, 1]; paper: PMLR v306, Unlearning's Blind Spots.

    Raises:
        NotMeasured: no neighbour was asked, or there are no models.
        ClbenchError: tables are not about the samples of `ids`.
    """
    near = _near(correct, oracle_correct, ids, neighbours)
    return _lost(correct, oracle_correct, near)


def collateral_excess(
    correct: BoolArray, oracle_correct: BoolArray, ids: IntArray, neighbours: IntArray
) -> float:
    """Damage on the neighbours of the forget set minus the same on all other samples.

    Damage that is no larger near the forget set is no spill-over of forgetting.
    Direction: lower, ideally 0; range: [-2, 2]; paper: PMLR v306, Unlearning's Blind Spots.

    Raises:
        NotMeasured: no neighbour or nothing but neighbours was asked, or there are no models.
        ClbenchError: tables are not about the samples of `ids`.
    """
    near = _near(correct, oracle_correct, ids, neighbours)
    if near.all():
        raise NotMeasured("all samples asked are neighbours of the forget set")
    lost = (_lost(correct, oracle_correct, rows) for rows in (near, ~near))
    return next(lost) - next(lost)


def negative_flips(original_correct: BoolArray, correct: BoolArray) -> float:
    """Share of answers that unlearning turned from right to wrong, originals and models [N, n].

    Row i of both is one model before and after. Retained and test samples should have none.
    Direction: lower; range: [0, 1]; paper: arXiv:2011.09161.

    Raises:
        NotMeasured: nothing was asked.
        ClbenchError: the tables differ in shape.
    """
    if original_correct.shape != correct.shape:
        raise ClbenchError(
            "flips need the same models and samples before and after; "
            f"got shapes {original_correct.shape} and {correct.shape}"
        )
    if not correct.size:
        raise NotMeasured("nothing was asked")
    return float((original_correct & ~correct).mean())


def _near(
    correct: BoolArray, oracle_correct: BoolArray, ids: IntArray, neighbours: IntArray
) -> BoolArray:
    """[n] which samples are neighbours."""
    for table in (correct, oracle_correct):
        if table.ndim != 2 or table.shape[1] != len(ids):
            raise ClbenchError(
                f"answers [models, samples] to {len(ids)} samples; got shape {table.shape}"
            )
        if not len(table):
            raise NotMeasured("there are no models on one side")
    near = np.isin(ids, neighbours)
    if not near.any():
        raise NotMeasured("none of the forget set's neighbours was asked")
    return near


def _lost(correct: BoolArray, oracle_correct: BoolArray, rows: BoolArray) -> float:
    return float(oracle_correct[:, rows].mean() - correct[:, rows].mean())
