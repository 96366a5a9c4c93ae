"""How well scores tell members from non-members. A higher score speaks for a member."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray


def area_under_roc(members: AnyFloats, non_members: AnyFloats) -> float:
    """Probability that a member scores above a non-member, ties counting half. [n], [m].

    Direction: neither, 0.5 tells nothing apart; range: [0, 1]; paper:
    doi:10.1148/radiology.143.1.7063747.
    """
    positive, negative = scores(members, non_members)
    negative.sort()
    below = np.searchsorted(negative, positive, side="left")
    up_to = np.searchsorted(negative, positive, side="right")
    return float((below + up_to).mean() / (2 * len(negative)))


def balanced_accuracy(members: AnyFloats, non_members: AnyFloats, threshold: float = 0.0) -> float:
    """Mean of the shares of members above a threshold and of non-members not above it. [n], [m].

    Direction: neither, 0.5 tells nothing apart; range: [0, 1]; paper: doi:10.1109/ICPR.2010.764.
    """
    positive, negative = scores(members, non_members)
    return float(((positive > threshold).mean() + (negative <= threshold).mean()) / 2)


def true_positive_rate(members: AnyFloats, non_members: AnyFloats, fpr: float) -> float:
    """Share of members above the threshold that at most a share `fpr` of non-members exceeds.

    Direction: neither, `fpr` tells nothing apart; range: [0, 1]; paper: arXiv:2112.03570.

    Raises:
        NotMeasured: there are fewer than 1 / fpr non-members.
    """
    if not 0 < fpr < 1:
        raise ClbenchError(f"a false positive rate lies between 0 and 1; got {fpr}")
    positive, negative = scores(members, non_members)
    # of 1,000 non-members 0.001 is one, whatever the product rounds to
    allowed = int(fpr * len(negative) * (1 + 1e-12))
    if not allowed:
        raise NotMeasured(f"a false positive rate of {fpr} needs {1 / fpr:.0f} non-members")
    threshold = -np.partition(-negative, allowed)[allowed]
    return float((positive > threshold).mean())


def scores(members: AnyFloats, non_members: AnyFloats) -> tuple[FloatArray, FloatArray]:
    """Scores of both sides, flat, in copies.

    Raises:
        NotMeasured: a side has none, or a score is not a number.
    """
    sides = tuple(np.array(each, dtype=np.float64).ravel() for each in (members, non_members))
    if not all(map(len, sides)):
        raise NotMeasured(f"{len(sides[0])} members against {len(sides[1])} non-members")
    if any(np.isnan(each).any() for each in sides):
        raise NotMeasured("a score is not a number: a model has diverged")
    return sides[0], sides[1]
