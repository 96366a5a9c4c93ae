"""The forgetting score of the NeurIPS 2023 unlearning challenge, by counting.

How well does a decision rule tell, from a model's margin at one point, whether the model was
unlearned or retrained? From a rule's two error rates follows a lower bound on the epsilon of
(epsilon, delta)-unlearning. Tables are margins of unlearned models [N, n] and retrained ones
[M, n].

The published score takes the best of all rules on the models that it counts errors on, so that
two sets of retrained models come out at 1.6 to 2, not at 0. `epsilon_held_out` and
`epsilon_lower_bound` count on models that did not choose the rule.
"""

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.error_tables import bounded, halves_for_zeros, published
from clbench.metric.margins import AnyFloats, FloatArray, IntArray, at_least, check, whole
from clbench.metric.rules import best_rule, families

CAP = 50.0
PEAKED = 0.01  # ratio of the ranges below which the narrower side is found out at once
BUCKET = 0.5
LEVEL = 0.95


def epsilon(unlearned: AnyFloats, retrained: AnyFloats) -> FloatArray:
    """Epsilon of each point as published: the largest over all rules [n].

    max(ln(1 - delta - FPR) - ln FNR, ln(1 - delta - FNR) - ln FPR), at least 0, at most 50. Rules
    of which exactly one rate is 0 are discarded; both 0, or ranges that differ a hundredfold, count
    as 50. Public code tries 100 single thresholds a logit, this all of them: it is never less.
    Direction: lower; range: [0, 50]; paper: arXiv:2406.09073.

    Raises:
        NotMeasured: fewer than 3 models a side.
    """
    first, second = _tables(unlearned, retrained, 3)
    table = published(len(first), len(second))
    return np.array([_largest(u, r, table) for u, r in zip(first.T, second.T, strict=True)])


def epsilon_held_out(unlearned: AnyFloats, retrained: AnyFloats) -> FloatArray:
    """Epsilon of each point from errors on models that did not choose the rule [n].

    Each half of the models (every other one) chooses the rule for the other half; errors of both
    halves add up, and a count of 0 is taken for one half: at most ln(2 max(N, M)).
    Direction: lower; range: [0, 50]; paper: arXiv:2406.09073, thresholds held out here.

    Raises:
        NotMeasured: fewer than 6 models a side.
    """
    first, second = _tables(unlearned, retrained, 6)
    table = halves_for_zeros(len(first), len(second))
    errors = _held_out(first, second, 0) + _held_out(first, second, 1)
    return np.asarray(np.clip(table[errors[0], errors[1]], 0, CAP))


def epsilon_lower_bound(
    unlearned: AnyFloats, retrained: AnyFloats, level: float = LEVEL
) -> FloatArray:
    """A value that each point's epsilon exceeds with confidence `level` (Clopper-Pearson) [n].

    One half of the models (every other one) chooses the rule; on the other half both error rates
    are bounded from above, each with confidence 1 - (1 - level) / 2.
    Direction: lower; range: [0, 50]; paper: arXiv:2406.09073, bounded as in arXiv:2006.07709.

    Raises:
        NotMeasured: fewer than 6 models a side.
        ClbenchError: the level is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ClbenchError(f"a confidence level lies between 0 and 1; got {level}")
    first, second = _tables(unlearned, retrained, 6)
    table = bounded(len(first) // 2, len(second) // 2, level)
    errors = _held_out(first, second, 1)
    return np.asarray(np.clip(table[errors[0], errors[1]], 0, CAP))


def forgetting_points(epsilons: FloatArray, models: int) -> FloatArray:
    """Points of each epsilon [n]: 1 below 0.5, then half as many with every 0.5.

    None from ceil(ln(models - 1)) on, of what `models` a side could show at most.
    Direction: higher; range: [0, 1]; paper: arXiv:2406.09073.

    Raises:
        NotMeasured: fewer than 3 models.
    """
    if models < 3:
        raise NotMeasured(f"needs at least 3 models a side; got {models}")
    buckets = np.ceil(np.log(models - 1)) / BUCKET
    bucket = np.floor(epsilons / BUCKET)
    return np.asarray(np.where(bucket < buckets, 0.5**bucket, 0.0))


def forgetting_score(
    points: FloatArray,
    retain_accuracy: float,
    oracle_retain_accuracy: float,
    test_accuracy: float,
    oracle_test_accuracy: float,
) -> float:
    """Final score: mean points [n] times retain and test accuracy, each relative to the oracle's.

    Retraining itself gets 0.1 to 0.15 with `epsilon`: read it beside that null.
    Direction: higher; range: [0, inf); paper: arXiv:2406.09073.

    Raises:
        NotMeasured: there are no points, or the oracle is never right.
    """
    if not (len(points) and oracle_retain_accuracy and oracle_test_accuracy):
        raise NotMeasured("there are no points, or the oracle is never right")
    kept = retain_accuracy / oracle_retain_accuracy * test_accuracy / oracle_test_accuracy
    return float(points.mean() * kept)


def _largest(u: FloatArray, r: FloatArray, table: FloatArray) -> float:
    narrow, wide = sorted([float(np.ptp(u)), float(np.ptp(r))])
    if narrow < PEAKED * wide:
        return CAP
    best = max(float(rules.values(table).max()) for rules in families(u, r))
    return min(max(best, 0.0), CAP)


def _held_out(first: FloatArray, second: FloatArray, half: int) -> IntArray:
    """Errors [2, n] on one half of the models of the rules that the other half chooses.

    It chooses by the lower bound: the published value is highest where nearly nothing was counted.
    """
    u, r = first[1 - half :: 2], second[1 - half :: 2]
    table = bounded(len(u), len(r), LEVEL)
    rules = [best_rule(*point, table) for point in zip(u.T, r.T, strict=True)]
    points = zip(rules, first[half::2].T, second[half::2].T, strict=True)
    return np.array([rule.errors(*margins) for rule, *margins in points]).T


def _tables(
    unlearned: AnyFloats, retrained: AnyFloats, fewest: int
) -> tuple[FloatArray, FloatArray]:
    at_least(fewest, unlearned, retrained)
    check(unlearned, retrained)
    return whole(unlearned), whole(retrained)
