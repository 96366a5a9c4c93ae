"""Forget sets by scores of the samples: memorised, influential, entangled, on a component."""

from typing import Literal

import numpy as np

from clbench.errors import unknown
from clbench_scenarios.attribution import features_of
from clbench_scenarios.building import check_whole
from clbench_scenarios.components import FloatArray
from clbench_scenarios.learnt import ForgetSet, Learnt

Level = Literal["high", "medium", "low"]


def memorised(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """The samples of the largest, middle or smallest `RidgeHead.memorisation`."""
    return _ranked(learnt, learnt.head().memorisation, size, level)


def influential(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """The samples of the largest, middle or smallest `RidgeHead.influence`."""
    return _ranked(learnt, learnt.head().influence, size, level)


def entangled(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """Neighbours in the space of the arrays: of the mean of all, or of a sample that lies off it.

    For forget sets of high, medium and low entanglement with what is retained
    (`entanglement.entanglement`, Zhao et al. 2024, arXiv:2406.01257): the nearest to the mean of
    all, to the sample at the median distance from it, and to the farthest. The paper ranks by the
    distance from the mean in a model's embeddings, which a source of frozen features has; all that
    are far are no group apart, though, where they lie on every side.
    """
    x = features_of(learnt.source.train.x[learnt.ids])[:, :-1]
    order = np.argsort(np.linalg.norm(x, axis=1), kind="stable")
    anchors = {"high": x.mean(axis=0), "medium": x[order[len(x) // 2]], "low": x[order[-1]]}
    if level not in anchors:
        raise unknown(f"level of {learnt.name}", str(level), anchors)
    return _ranked(learnt, -np.linalg.norm(x - anchors[level], axis=1), size, "high")


Tail = Literal["top", "bottom", "both"]


def component(
    learnt: Learnt, *, size: int | float, number: int = 1, tail: Tail = "top"
) -> ForgetSet:
    """A tail of a principal component of the attribution matrix, or half of either.

    See `RidgeHead.component`.
    """
    check_whole(learnt.name, "number", number, 1)
    scores = learnt.head().component(number)
    count = learnt.count(size, learnt.ids, "samples")
    if tail == "both":
        order = learnt.ids[np.argsort(-scores, kind="stable")]
        ends = order[: count - count // 2], order[len(order) - count // 2 :]
        return ForgetSet((np.concatenate(ends),))
    if tail not in ("top", "bottom"):
        raise unknown(f"tail of {learnt.name}", str(tail), ("top", "bottom", "both"))
    return _ranked(learnt, scores, size, "high" if tail == "top" else "low")


def _ranked(learnt: Learnt, scores: FloatArray, size: int | float, level: str) -> ForgetSet:
    """The samples with the highest scores, the lowest, or those in the middle."""
    count = learnt.count(size, learnt.ids, "samples")
    order = learnt.ids[np.argsort(-scores, kind="stable")]
    starts = {"high": 0, "medium": (len(order) - count) // 2, "low": len(order) - count}
    if level not in starts:
        raise unknown(f"level of {learnt.name}", str(level), starts)
    return ForgetSet((order[starts[level] :][:count],))
