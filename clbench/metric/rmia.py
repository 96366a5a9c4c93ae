"""RMIA: membership by likelihood ratios against a population; one to four references do.

A point is a member's as far as the target model's confidence in it, relative to that of reference
models that never saw it, exceeds the same ratio of points of a population. Confidences are found
from margins: [n] points or [m] population, [K, ...] under K references.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray, check, confidence, whole
from clbench.metric.roc import area_under_roc

A = 0.3  # the authors' choice where it is not tuned
GAMMA = 1.0
STEPS = tuple(step / 10 for step in range(11))


class Asked(NamedTuple):
    """Margins of some points under a target model [n] and under references [K, n]."""

    target: AnyFloats
    references: AnyFloats


def rmia(points: Asked, population: Asked, a: float = A, gamma: float = GAMMA) -> FloatArray:
    """Share of the population whose ratio a point's exceeds gamma times, for each point [n].

    ratio(x) = p(x) / ((1 + a)/2 mean_k p_k(x) + (1 - a)/2): with references that never saw x, `a`
    makes up for those that did.
    Direction: neither, above 0.5 speaks for a member; range: [0, 1]; paper: arXiv:2312.03262.

    Raises:
        NotMeasured: there are no points, references or population.
        ClbenchError: `a` is not in [0, 1], gamma not positive, or shapes disagree.
    """
    if not (0 <= a <= 1 and gamma > 0):
        raise ClbenchError(f"a lies in [0, 1] and gamma above 0; got a={a}, gamma={gamma}")
    ratios = np.sort(_ratios(population, a)) * gamma
    return np.searchsorted(ratios, _ratios(points, a), side="left") / len(ratios)


def choose_a(members: Asked, non_members: Asked, population: Asked) -> float:
    """The `a` of 0, 0.1, .. 1 that best tells members from non-members of a paired model.

    Membership in the paired model's training set is known; by area under the curve, the smallest
    of equals. Direction: neither; range: [0, 1]; paper: arXiv:2312.03262.
    """
    areas = [_area(members, non_members, population, a) for a in STEPS]
    return STEPS[int(np.argmax(areas))]


def rmia_area(
    forget: tuple[AnyFloats, AnyFloats], test: tuple[AnyFloats, AnyFloats], a: float = A
) -> float:
    """Area under the curve of telling forgotten points from test points, mean over models.

    `forget` and `test` are margins of the unlearned models [N, n] and of the oracles [K, n], which
    are the references; every other test point is the population, the rest non-members.
    Direction: lower, ideally 0.5; range: [0, 1]; paper: arXiv:2312.03262.
    """
    if test[0].shape[-1] < 2:
        raise NotMeasured("needs at least 2 test points, for a population and for non-members")
    targets = zip(*(_each(*tables) for tables in (forget, test)), strict=True)
    return float(np.mean([_of_model(points, others, a) for points, others in targets]))


def _of_model(points: Asked, others: Asked, a: float) -> float:
    parts = [Asked(others.target[i::2], others.references[:, i::2]) for i in (0, 1)]
    return _area(points, parts[0], parts[1], a)


def _each(unlearned: AnyFloats, references: AnyFloats) -> Sequence[Asked]:
    check(unlearned, references)
    return [Asked(model, references) for model in unlearned]


def _area(members: Asked, non_members: Asked, population: Asked, a: float) -> float:
    found = (rmia(each, population, a) for each in (members, non_members))
    return area_under_roc(*found)


def _ratios(asked: Asked, a: float) -> FloatArray:
    check(asked.target[None], asked.references)
    own = confidence(whole(asked.target[None])[0])
    out = confidence(whole(asked.references)).mean(axis=0)
    return np.asarray(own / ((1 + a) / 2 * out + (1 - a) / 2))
