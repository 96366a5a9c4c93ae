"""U-LiRA: a likelihood ratio a point tells whether models forgot it or never saw it.

For each point a Gaussian is fitted to the margins of models that learnt and forgot it, and one to
those of models that never saw it. Each model in turn is the target: its own margin is left out of
the fit that judges it. One threshold for all points (see `attack`) understates what an attacker
learns, since points differ in how hard they are.
"""

from typing import NamedTuple

import numpy as np

from clbench.metric.margins import AnyFloats, FloatArray, at_least, check, whole
from clbench.metric.roc import balanced_accuracy, true_positive_rate

SIGMA = 1e-3  # logits; models that agree exactly would leave a Gaussian without width


class LogOdds(NamedTuple):
    """ln(p_forgot / p_unseen) of every margin, above 0 for a guess that the model forgot it."""

    forgotten: FloatArray  # [N, n]
    unseen: FloatArray  # [M, n]


def ulira_log_odds(unlearned: AnyFloats, oracles: AnyFloats) -> LogOdds:
    """Leave-one-out log-likelihood ratios of margins [N, n] of forgetters and [M, n] of unseen.

    The paper's score is p_forgot / (p_forgot + p_unseen), the logistic function of this.
    Direction: neither; range: all numbers; paper: arXiv:2403.01218.

    Raises:
        NotMeasured: fewer than 3 models a side: leaving one out leaves no spread.
    """
    at_least(3, unlearned, oracles)
    check(unlearned, oracles)
    first, second = whole(unlearned), whole(oracles)
    forgotten = _left_out(first) - _log_density(first, *_fit(second))
    unseen = _log_density(second, *_fit(first)) - _left_out(second)
    return LogOdds(forgotten, unseen)


def ulira_balanced_accuracy(unlearned: AnyFloats, oracles: AnyFloats) -> float:
    """Balanced accuracy of guessing from log-odds above 0 that a model forgot the point.

    Leaving one out makes 0.5 a little less where nothing differs: see the null.
    Direction: lower, ideally 0.5; range: [0, 1]; paper: arXiv:2403.01218.
    """
    return balanced_accuracy(*ulira_log_odds(unlearned, oracles))


def ulira_true_positive_rate(unlearned: AnyFloats, oracles: AnyFloats, fpr: float = 0.01) -> float:
    """Share of forgotten margins found where at most a share `fpr` of unseen ones is accused.

    Log-odds of all points and models share one threshold.
    Direction: lower, ideally `fpr`; range: [0, 1]; paper: arXiv:2112.03570.
    """
    return true_positive_rate(*ulira_log_odds(unlearned, oracles), fpr)


def _fit(table: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean and variance of each point."""
    return table.mean(axis=0), table.var(axis=0, ddof=1)


def _left_out(table: FloatArray) -> FloatArray:
    """Log-density of each margin under the Gaussian of all other models, in closed form."""
    n, (mean, variance) = len(table), _fit(table)
    apart = table - mean
    others = mean - apart / (n - 1)
    spread = variance * (n - 1) - apart**2 * n / (n - 1)
    return _log_density(table, others, np.maximum(spread, 0) / (n - 2))


def _log_density(table: FloatArray, mean: FloatArray, variance: FloatArray) -> FloatArray:
    """Of a Gaussian, without the constant that cancels."""
    variance = np.maximum(variance, SIGMA**2)
    return np.asarray(-((table - mean) ** 2) / (2 * variance) - np.log(variance) / 2)
