"""Attacks on single models, and scores that contain them; means over models.

Each model is attacked by itself, with one rule for all samples; `clbench.metric.attack_each` says
how. None has a good direction: what counts is how far the same attack gets on oracles, which is
the null. Attacks by entropies and whole outputs need all logits, recorded with `--form full`.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric import unlearning
from clbench.metric.base import NotMeasured
from clbench.metric.group import group_metric
from clbench.metric.margins import FloatArray

BySet = Mapping[str, npt.NDArray[np.integer]]
Attacks = Mapping[str, FloatArray]
WHOLE_CLASS = "test-forgotten"


@group_metric(direction="neither", range=(0, 1), paper="arXiv:1709.01604")
def population_attack_auc(attacks: Attacks) -> float:
    """Area under the curve of one threshold on the loss: forgotten against test points.

    By confidence it is the same. Weak, as it takes all points for equally hard.
    """
    return float(attacks["loss"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2003.10595")
def entropy_attack_auc(attacks: Attacks) -> float:
    """Area under the curve of one threshold on the entropy: forgotten against test points."""
    return float(attacks["entropy"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2003.10595")
def modified_entropy_attack_auc(attacks: Attacks) -> float:
    """Area under the curve of one threshold on the modified entropy: forgotten against test."""
    return float(attacks["modified entropy"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2406.09073")
def loss_attack_accuracy(attacks: Attacks) -> float:
    """Held-out accuracy of logistic regression on losses, forgotten against as many test points."""
    return float(attacks["loss regression"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2304.04934")
def svc_attack_efficacy(attacks: Attacks) -> float:
    """Share of what was to go that a support vector machine on confidence takes for unseen.

    Fitted on retained and test points. Papers show it times 100, as MIA; higher is not better.
    """
    return float(attacks["svc"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2205.08096")
def bad_teaching_attack(attacks: Attacks) -> float:
    """Share of what was to go that logistic regression on the entropy takes for seen."""
    return float(attacks["bad teaching"].mean())


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2404.00506")
def laf_attack_success(attacks: Attacks) -> float:
    """Accuracy of boosted trees on sorted outputs, forgotten against as many test points.

    Trees of scikit-learn where the paper has XGBoost's.
    """
    return float(attacks["boosted"].mean())


@group_metric(direction="higher", range=(0, 1), paper="arXiv:2406.01257", unit="ratio")
def tug_of_war_attack(
    predicted: BySet,
    oracle_predicted: BySet,
    labels: BySet,
    attacks: Attacks,
    oracle_attacks: Attacks,
) -> float:
    """ToW-MIA: product of 1 - |gap to the oracles| over SVC attack, retain and test accuracy."""

    def gap(name: str) -> float:
        sides = (_right(each, labels, name) for each in (predicted, oracle_predicted))
        return unlearning.signed_gap(*sides)

    attack = unlearning.signed_gap(attacks["svc"], oracle_attacks["svc"])
    return unlearning.tug_of_war(attack, gap("retain"), gap("test"))


@group_metric(direction="higher", range=(0, 1), paper="arXiv:2311.02240", unit="ratio")
def nomus(predicted: BySet, labels: BySet, attacks: Attacks) -> float:
    """NoMUS: mean of test accuracy and 1 - 2 |attack - 0.5|, by logistic regression on losses."""
    pairs = zip(_right(predicted, labels, "test"), attacks["loss regression"], strict=True)
    return float(np.mean([unlearning.nomus(*pair) for pair in pairs]))


@group_metric(direction="higher", range=(0, 2), paper="arXiv:2312.02052", unit="ratio")
def aus_duck(predicted: BySet, original_predicted: BySet, labels: BySet) -> float:
    """Adaptive Unlearning Score of DUCK: test accuracy kept, over 1 + what remains of the rest.

    (1 - (TA_original - TA)) / (1 + |TA - FA|), and |0 - FA| on test points of classes that were
    forgotten as a whole. TRAIL gives the name to another formula (`metric.unlearning.aus_trail`).
    """
    forgotten, wanted = "forget", None
    if _whole_classes(labels):
        forgotten, wanted = WHOLE_CLASS, 0.0
    forget, test = (_right(predicted, labels, name) for name in (forgotten, "test"))
    original = _right(original_predicted, labels, "test")
    found = [
        unlearning.aus_duck(*accuracies, wanted=wanted)
        for accuracies in zip(forget, test, original, strict=True)
    ]
    return float(np.mean(found))


def _right(predicted: BySet, labels: BySet, name: str) -> FloatArray:
    """[N] accuracy of each model on a set."""
    return np.asarray((predicted[name] == labels[name]).mean(axis=1), dtype=np.float64)


def _whole_classes(labels: BySet) -> bool:
    """Whether there are test points of classes of which nothing is retained."""
    try:
        gone = labels[WHOLE_CLASS]
    except NotMeasured:
        return False
    return not np.isin(gone, labels["retain"]).any()
