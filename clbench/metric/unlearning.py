"""Unlearned models beside oracles, by accuracies: what was forgotten, kept, and broken.

Accuracies lie in [0, 1]: forget (FA), retain (RA) and test accuracy (TA) of unlearned models,
oracles (retrained without the forget set) and originals. A forget accuracy has no good direction:
what counts is the distance from the oracle's, and a model below it has unlearned too much. Names
that the literature uses for several formulas carry the name of their source.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Literal

import numpy as np
from scipy.special import stdtrit

from clbench.metric.base import NotMeasured
from clbench.metric.margins import FloatArray

LEVEL = 0.95
Values = Sequence[float] | FloatArray
Verdict = Literal["under-unlearned", "as the oracle", "over-unlearned"]


@dataclass(frozen=True)
class Deviation:
    """Mean of unlearned models minus mean of oracles, with its 95 % interval."""

    gap: float
    low: float
    high: float

    @property
    def distance(self) -> float:
        """How far from the oracle, in either direction."""
        return abs(self.gap)

    @property
    def verdict(self) -> Verdict:
        """Of a quantity that forgetting lowers, such as forget accuracy or margins."""
        if self.low <= 0 <= self.high:
            return "as the oracle"
        return "under-unlearned" if self.gap > 0 else "over-unlearned"


def deviation(unlearned: Values, oracles: Values) -> Deviation:
    """Gap of means of N unlearned models and M oracles with Welch's interval, and what it says.

    The verdict is of distance from the oracle in either direction: less is not better.
    Direction: neither, ideally 0; range: [-1, 1] for accuracies; paper:
    doi:10.1093/biomet/34.1-2.28.

    Raises:
        NotMeasured: fewer than 2 models a side.
    """
    first, second = (np.asarray(each, dtype=np.float64) for each in (unlearned, oracles))
    if min(len(first), len(second)) < 2:
        raise NotMeasured(f"needs 2 models a side; got {len(first)} and {len(second)}")
    gap = signed_gap(first, second)
    parts = [each.var(ddof=1) / len(each) if np.ptp(each) else 0.0 for each in (first, second)]
    if not (variance := sum(parts)):
        return Deviation(gap, gap, gap)
    freedom = variance**2 / sum(
        part**2 / (len(each) - 1) for part, each in zip(parts, (first, second), strict=True)
    )
    half = float(stdtrit(freedom, (1 + LEVEL) / 2)) * sqrt(variance)
    return Deviation(gap, gap - half, gap + half)


def signed_gap(unlearned: Values, oracles: Values) -> float:
    """Mean of unlearned models minus mean of oracles: above 0 kept, below 0 lost, beside these.

    Direction: neither, ideally 0; range: [-1, 1] for accuracies; paper: arXiv:2304.04934.

    Raises:
        NotMeasured: a side has no models.
    """
    if not (len(unlearned) and len(oracles)):
        raise NotMeasured(f"{len(unlearned)} models against {len(oracles)} oracles")
    return float(np.mean(unlearned) - np.mean(oracles))


def average_gap(gaps: Values) -> float:
    """Mean of |gap to the oracle| over forget, retain, test accuracy and membership attack.

    Direction: lower; range: [0, 1]; paper: arXiv:2310.12508.

    Raises:
        NotMeasured: there are no gaps.
    """
    if not len(gaps):
        raise NotMeasured("there are no gaps")
    return float(np.abs(gaps).mean())


def tug_of_war(forget_gap: float, retain_gap: float, test_gap: float) -> float:
    """ToW: product of 1 - |gap to the oracle| over forget, retain and test accuracy.

    ToW-MIA is the same with the gap of `svc_mia_efficacy` in place of forget accuracy's.
    Direction: higher; range: [0, 1]; paper: arXiv:2406.01257.
    """
    return (1 - abs(forget_gap)) * (1 - abs(retain_gap)) * (1 - abs(test_gap))


def aus_duck(
    forget_accuracy: float,
    test_accuracy: float,
    original_test_accuracy: float,
    wanted: float | None = None,
) -> float:
    """Adaptive Unlearning Score of DUCK: (1 - (TA_original - TA)) / (1 + |wanted - FA|).

    Needs no oracle. `wanted` is the accuracy that forgotten samples should have: by default TA,
    that of unseen ones, and 0 where whole classes are to go.
    Direction: higher; range: [0, 2]; paper: arXiv:2312.02052.
    """
    wanted = test_accuracy if wanted is None else wanted
    kept = 1 - (original_test_accuracy - test_accuracy)
    return kept / (1 + abs(wanted - forget_accuracy))


def aus_trail(forget_accuracy: float, test_accuracy: float) -> float:
    """What TRAIL calls AUS: (1 - FA) TA. Not the score of that name in DUCK (`aus_duck`).

    Less than the oracle's forget accuracy raises it: it rewards forgetting too much.
    Direction: higher; range: [0, 1]; paper: TRAIL (provisional).
    """
    return (1 - forget_accuracy) * test_accuracy


def h_lr_trail(forget_accuracy: float, test_accuracy: float) -> float:
    """What TRAIL calls H-LR: harmonic mean of 1 - FA and TA, 0 where either is 0.

    Not the H-LR of arXiv:2503.06991, the harmonic mean of a logit and a representation score.
    Direction: higher; range: [0, 1]; paper: TRAIL (provisional).
    """
    unlearned, total = 1 - forget_accuracy, 1 - forget_accuracy + test_accuracy
    return 2 * unlearned * test_accuracy / total if total else 0.0


def nomus(test_accuracy: float, attack: float, weight: float = 0.5) -> float:
    """NoMUS: weight * TA + (1 - weight) (1 - 2 |attack - 0.5|), attack being an accuracy.

    Direction: higher; range: [0, 1]; paper: arXiv:2311.02240.
    """
    return weight * test_accuracy + (1 - weight) * (1 - 2 * abs(attack - 0.5))


def retention_ratio(accuracy: float, original_accuracy: float) -> float:
    """Accuracy relative to the original model's.

    Direction: higher; range: [0, inf); paper: arXiv:2410.01276.

    Raises:
        NotMeasured: the original is never right.
    """
    if not original_accuracy:
        raise NotMeasured("the original is never right")
    return accuracy / original_accuracy
