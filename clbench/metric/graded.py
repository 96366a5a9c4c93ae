"""Flips of graded scores: a newer model is better or worse on a sample by some amount.

MUSCLE (Echterhoff et al. 2024, arXiv:2407.09435) has S(answer, reference), such as ROUGE, in place
of right and wrong, and calls D = S_new - S_old a negative flip where it is below 0. Noise then
makes half of all samples negative flips between two models that are equally good. So D has to be
beyond a tie here, and what other seeds of one model do is told beside: `seed_noise`.

Scores are S [n] of an old and a new model on the same samples, higher is better. As metrics of
recorded runs S is the probability of the right label, `right_probability` [V] of [n_v], on samples
that the older version had learnt (`known`), and updates are added up.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured, metric

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

TIE = 0.1  # of probability; what amazon-science's analyser of flips calls borderline


@dataclass(frozen=True)
class GradedFlips:
    """Counts and sums over n samples, from which all rates follow; they add up over updates."""

    n: int = 0
    gains: int = 0  # samples with D above the tie
    losses: int = 0  # samples with D below minus the tie
    gained: float = 0.0  # sum of D over the gains
    lost: float = 0.0  # sum of -D over the losses

    def __add__(self, other: "GradedFlips") -> "GradedFlips":
        return GradedFlips(
            self.n + other.n,
            self.gains + other.gains,
            self.losses + other.losses,
            self.gained + other.gained,
            self.lost + other.lost,
        )

    @property
    def positive_flip_rate(self) -> float:
        """PFR_S: share of samples with D above the tie."""
        return _ratio(self.gains, self.n, "no sample was put to both models")

    @property
    def negative_flip_rate(self) -> float:
        """NFR_S: share of samples with D below minus the tie."""
        return _ratio(self.losses, self.n, "no sample was put to both models")

    @property
    def mean_gain(self) -> float:
        """M_g: mean D of the gains."""
        return _ratio(self.gained, self.gains, "no sample gained more than a tie")

    @property
    def mean_regression(self) -> float:
        """M_r: mean -D of the losses."""
        return _ratio(self.lost, self.losses, "no sample lost more than a tie")


def graded_flips(old: FloatArray, new: FloatArray, tie: float) -> GradedFlips:
    """Gains and losses between two models' scores [n]; differences up to `tie` are neither.

    Raises:
        ClbenchError: the scores are not of as many samples or not finite, or the tie is negative.
    """
    if old.ndim != 1 or old.shape != new.shape:
        raise ClbenchError(
            f"scores are compared sample by sample, [n] and [n]; got {old.shape} and {new.shape}"
        )
    if not tie >= 0:
        raise ClbenchError(f"the tie of graded scores is {tie}; it must be 0 or more")
    change = new.astype(np.float64) - old.astype(np.float64)
    if not np.isfinite(change).all():
        raise ClbenchError("graded scores must be finite; leave samples without a score out")
    up, down = change > tie, change < -tie
    return GradedFlips(
        len(change),
        int(up.sum()),
        int(down.sum()),
        float(change[up].sum()),
        float(-change[down].sum()),
    )


def seed_noise(scores: FloatArray, tie: float) -> float:
    """NFR_S between models [S, n] that differ in their seed alone, mean over ordered pairs.

    The floor below which a negative flip rate tells nothing of an update. With scores of 0 and 1
    and a tie below 1, that of plain negative flips. Direction: lower; range: [0, 1/2]; paper: here.

    Raises:
        NotMeasured: there are fewer than two models, or no samples.
        ClbenchError: as `graded_flips`.
    """
    if scores.ndim != 2:
        raise ClbenchError(f"scores of seeds are [models, samples]; got {scores.shape}")
    if len(scores) < 2:
        raise NotMeasured(f"noise between seeds takes two models or more; there are {len(scores)}")
    pairs = permutations(scores, 2)
    return _pooled(graded_flips(old, new, tie) for old, new in pairs).negative_flip_rate


@metric(direction="lower", range=(0, 1), paper="arXiv:2407.09435")
def graded_negative_flip_rate(
    right_probability: Sequence[FloatArray], known: Sequence[BoolArray]
) -> float:
    """Share of samples whose right label lost more than 0.1 of probability in an update."""
    return _updates(right_probability, known).negative_flip_rate


@metric(direction="higher", range=(0, 1), paper="arXiv:2407.09435")
def graded_positive_flip_rate(
    right_probability: Sequence[FloatArray], known: Sequence[BoolArray]
) -> float:
    """Share of samples whose right label gained more than 0.1 of probability in an update."""
    return _updates(right_probability, known).positive_flip_rate


@metric(direction="lower", range=(0, 1), paper="arXiv:2407.09435")
def mean_regression(right_probability: Sequence[FloatArray], known: Sequence[BoolArray]) -> float:
    """Mean probability that the right label lost, over the samples where that is more than 0.1."""
    return _updates(right_probability, known).mean_regression


@metric(direction="higher", range=(0, 1), paper="arXiv:2407.09435")
def mean_gain(right_probability: Sequence[FloatArray], known: Sequence[BoolArray]) -> float:
    """Mean probability that the right label gained, over the samples where that is above 0.1."""
    return _updates(right_probability, known).mean_gain


def _updates(scores: Sequence[FloatArray], known: Sequence[BoolArray]) -> GradedFlips:
    """Of all updates, each on what the older version had learnt."""
    return _pooled(
        graded_flips(old[had], new[: len(old)][had], TIE)
        for old, new, had in zip(scores, scores[1:], known, strict=False)
    )


def _pooled(tables: Iterable[GradedFlips]) -> GradedFlips:
    return sum(tables, GradedFlips())


def _ratio(numerator: float, denominator: int, why: str) -> float:
    if denominator == 0:
        raise NotMeasured(why)
    return numerator / denominator
