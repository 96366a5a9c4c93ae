"""Negative flips by how sure both models were: a near tie that tips is not a blunder.

A negative flip whose right label lost up to 0.1 of probability is borderline, one whose lost 0.5
or more is confident (the thresholds of amazon-science's analyser of flips; there is a middle).
`right_probability` is [V] of [n_v], `correct` and `known` too; updates are added up, each on what
the older version had learnt.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric

FloatArray = npt.NDArray[np.floating]
BoolArray = npt.NDArray[np.bool_]

BORDERLINE, CONFIDENT = 0.1, 0.5  # of probability


@metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def borderline_negative_flip_rate(
    right_probability: Sequence[FloatArray],
    correct: Sequence[BoolArray],
    known: Sequence[BoolArray],
) -> float:
    """Share of answers that an update turned wrong for 0.1 of probability or less.

    A part of `negative_flip_rate`, as `confident_negative_flip_rate` is; the rest lies between.
    """
    drops, asked = _drops(right_probability, correct, known)
    return float((drops <= BORDERLINE).sum() / asked)


@metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def confident_negative_flip_rate(
    right_probability: Sequence[FloatArray],
    correct: Sequence[BoolArray],
    known: Sequence[BoolArray],
) -> float:
    """Share of answers that an update turned wrong, the right label losing 0.5 of probability.

    Or more; see `borderline_negative_flip_rate`.
    """
    drops, asked = _drops(right_probability, correct, known)
    return float((drops >= CONFIDENT).sum() / asked)


def _drops(
    scores: Sequence[FloatArray], correct: Sequence[BoolArray], known: Sequence[BoolArray]
) -> tuple[FloatArray, int]:
    """What the right label lost in each negative flip of all updates, and of how many answers."""
    drops, asked = [np.zeros(0)], 0
    for i, had in enumerate(known[:-1]):
        n = len(had)
        flipped = had & correct[i] & ~correct[i + 1][:n]
        lost = scores[i].astype(np.float64) - scores[i + 1][:n]
        drops.append(lost[flipped])
        asked += int(had.sum())
    if not asked:
        raise NotMeasured("no sample was put to both models")
    return np.concatenate(drops), asked
