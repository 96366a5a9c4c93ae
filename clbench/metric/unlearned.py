"""How accurate unlearned models are on what they forgot, kept and never saw.

What is right depends on the oracles: an accuracy on the forget set below theirs is as far from
unlearning as one above. N unlearned models, M oracles; arrays [N, n] by evaluation set.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric import unlearning
from clbench.metric.base import NotMeasured
from clbench.metric.group import group_metric
from clbench.metric.margins import FloatArray

BySet = Mapping[str, npt.NDArray[np.integer]]
Floats = Mapping[str, npt.NDArray[np.floating]]
LEAST_SPREAD = 1e-3  # logits; where oracles agree exactly there is no unit to measure a shift in


@group_metric(direction="neither", range=(0, 1), paper="arXiv:1912.03817")
def forget_accuracy(predicted: BySet, labels: BySet) -> float:
    """Share of what was to be forgotten that is still answered right, mean over models.

    Neither high nor low is good: it is to be that of the oracles.
    """
    return _accuracy(predicted, labels, "forget")


@group_metric(direction="higher", range=(0, 1), paper="arXiv:1912.03817")
def retain_accuracy(predicted: BySet, labels: BySet) -> float:
    """Share of the retained training samples that is answered right, mean over models."""
    return _accuracy(predicted, labels, "retain")


@group_metric(direction="higher", range=(0, 1), paper="arXiv:1912.03817")
def test_accuracy(predicted: BySet, labels: BySet) -> float:
    """Share of the test samples of what is kept that is answered right, mean over models."""
    return _accuracy(predicted, labels, "test")


@group_metric(direction="neither", range=(0, 1), paper="arXiv:1912.03817")
def forgotten_test_accuracy(predicted: BySet, labels: BySet) -> float:
    """Share of the test samples of forgotten classes that is answered right, mean over models."""
    return _accuracy(predicted, labels, "test-forgotten")


@group_metric(direction="neither", range=(-1, 1), paper="arXiv:2304.04934", headline=True)
def forget_gap(predicted: BySet, oracle_predicted: BySet, labels: BySet) -> float:
    """Accuracy on what was to be forgotten minus that of the oracles; 0 is best.

    Above 0 the models still know it; below 0 they were pushed farther than retraining goes.
    """
    return _gap("forget", predicted, oracle_predicted, labels)


@group_metric(direction="neither", range=(-1, 1), paper="arXiv:2304.04934", headline=True)
def retain_gap(predicted: BySet, oracle_predicted: BySet, labels: BySet) -> float:
    """Accuracy on retained training samples minus that of the oracles; 0 is best."""
    return _gap("retain", predicted, oracle_predicted, labels)


@group_metric(direction="neither", range=(-1, 1), paper="arXiv:2304.04934", headline=True)
def test_gap(predicted: BySet, oracle_predicted: BySet, labels: BySet) -> float:
    """Accuracy on test samples of what is kept minus that of the oracles; 0 is best."""
    return _gap("test", predicted, oracle_predicted, labels)


@group_metric(direction="neither", range=(-np.inf, np.inf), unit="ratio", distribution=True)
def forget_margin_shift(margins: Floats, oracle_margins: Floats) -> float:
    """Mean over forgotten points of how far margins lie above the oracles', in their sd.

    mean_x (mean_u phi_u(x) - mean_o phi_o(x)) / sd_o(x). Above 0: what is left of memory; below
    0: over-unlearning, farther from what was forgotten than if it had never been seen.
    """
    own, oracle = margins["forget"].astype(np.float64), oracle_margins["forget"].astype(np.float64)
    if len(oracle) < 2:
        raise NotMeasured("the spread of oracles takes at least 2")
    spread = oracle.std(axis=0, ddof=1)
    if not spread.any():  # as where one is drawn again and again
        raise NotMeasured("the oracles are one model, which has no spread")
    spread = np.maximum(spread, LEAST_SPREAD)
    return float(((own.mean(axis=0) - oracle.mean(axis=0)) / spread).mean())


@group_metric(direction="lower", range=(0, 1), paper="arXiv:2310.12508")
def average_gap(
    predicted: BySet,
    oracle_predicted: BySet,
    labels: BySet,
    attacks: Mapping[str, FloatArray],
    oracle_attacks: Mapping[str, FloatArray],
) -> float:
    """Mean of |gap to the oracles| over forget, retain, test accuracy and a membership attack.

    The attack is one threshold on the loss, by the area under its curve; papers take
    `svc_attack_efficacy`.
    """
    sets = ("forget", "retain", "test")
    gaps = [_gap(name, predicted, oracle_predicted, labels) for name in sets]
    gaps.append(unlearning.signed_gap(attacks["loss"], oracle_attacks["loss"]))
    return unlearning.average_gap(gaps)


@group_metric(direction="higher", range=(0, 1), paper="arXiv:2406.01257", unit="ratio")
def tug_of_war(predicted: BySet, oracle_predicted: BySet, labels: BySet) -> float:
    """ToW: product of 1 - |gap to the oracles| over forget, retain and test accuracy."""
    sets = ("forget", "retain", "test")
    return unlearning.tug_of_war(*(_gap(n, predicted, oracle_predicted, labels) for n in sets))


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2405.17878")
def relearned_accuracy(relearned_predicted: BySet, labels: BySet) -> float:
    """Share of what was to be forgotten that is right after learning again, mean over models.

    What was really gone comes back no further than it does for the oracles.
    """
    return _accuracy(relearned_predicted, labels, "forget")


def _accuracy(predicted: BySet, labels: BySet, name: str) -> float:
    return float((predicted[name] == labels[name]).mean())


def _gap(name: str, predicted: BySet, oracle_predicted: BySet, labels: BySet) -> float:
    sides = ((each[name] == labels[name]).mean(axis=1) for each in (predicted, oracle_predicted))
    return unlearning.signed_gap(*sides)
