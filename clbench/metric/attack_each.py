"""Population attacks on one model, by name: what they look at, and on which samples.

Members are what was retained, non-members test samples of what is kept. Margins are in every
recording; attacks by other signals need all logits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from clbench.metric.attack import logistic_attack, svc_mia_efficacy
from clbench.metric.margins import AnyFloats, IntArray, confidence
from clbench.metric.roc import area_under_roc
from clbench.metric.signals import entropy, modified_entropy
from clbench.metric.trained_attacks import MOST, boosted_attack, entropy_membership

RETAIN, TEST, FORGET = SIDES = ("retain", "test", "forget")


@dataclass(frozen=True)
class Attacked:
    """What is known of one model, by evaluation set: margins [n], logits [n, C] and labels [n]."""

    margins: Mapping[str, AnyFloats]
    logits: Mapping[str, AnyFloats]
    labels: Mapping[str, IntArray]


def loss_area(model: Attacked) -> float:
    """Area under the curve of forgotten against test samples, by the loss.

    The loss falls with the label's confidence, so by confidence it is the same.
    """
    return area_under_roc(model.margins[FORGET], model.margins[TEST])


def entropy_area(model: Attacked) -> float:
    """The same by the entropy of the prediction; labels do not matter."""
    forget, test = (-entropy(model.logits[name]) for name in (FORGET, TEST))
    return area_under_roc(forget, test)


def modified_entropy_area(model: Attacked) -> float:
    """The same by the modified entropy, which tells sure and right from sure and wrong."""
    forget, test = (
        -modified_entropy(model.logits[name], model.labels[name]) for name in (FORGET, TEST)
    )
    return area_under_roc(forget, test)


def loss_regression(model: Attacked) -> float:
    """Held-out accuracy of logistic regression on losses: forgotten against as many test ones."""
    margins = (model.margins[name].astype(np.float64) for name in (FORGET, TEST))
    forget, test = (np.logaddexp(0, -each) for each in margins)
    return logistic_attack(forget, test)


def svc(model: Attacked) -> float:
    """Share of what was to go that a support vector machine on confidence takes for unseen.

    Fitted on at most 1,000 retained and test samples a side, drawn once.
    """
    rng = np.random.default_rng(0)
    retain, test = (rng.permutation(confidence(model.margins[name])) for name in (RETAIN, TEST))
    return svc_mia_efficacy(retain, test, confidence(model.margins[FORGET]), most=MOST)


def bad_teaching(model: Attacked) -> float:
    """Share of what was to go that logistic regression on entropies takes for seen."""
    retain, test, forget = (entropy(model.logits[name]) for name in SIDES)
    return entropy_membership(retain, test, forget)


def boosted(model: Attacked) -> float:
    """Accuracy of boosted trees on sorted outputs: forgotten against as many test samples."""
    retain, test, forget = (model.logits[name] for name in SIDES)
    return boosted_attack(retain, test, forget)


ATTACKS: dict[str, Callable[[Attacked], float]] = {
    "loss": loss_area,
    "entropy": entropy_area,
    "modified entropy": modified_entropy_area,
    "loss regression": loss_regression,
    "svc": svc,
    "bad teaching": bad_teaching,
    "boosted": boosted,
}
