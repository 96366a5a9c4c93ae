"""Metrics of many models: value, null, and where the value lies between do-nothing and null.

Distances between distributions are far above 0 for finitely many models, even where nothing
differs. So each value stands beside its null, the same metric on the same number of models with
oracles in the place of the set-up; and as a fraction: 0 is what doing nothing gets, 1 the null.
Which models meet which oracles is the business of `clbench.bench`.
"""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from clbench.bench import Bench, Draw, value_on
from clbench.crowd import Crowd
from clbench.measure import ROUNDING
from clbench.metric.base import NotMeasured
from clbench.metric.group import ENOUGH, GroupMetric

RESAMPLES = 200
POINTS = 1000  # of a set, in resamples: they are about models
LEVEL = 0.95  # of intervals
APART = 2.58  # standard deviations of the null: 99 %, as a table tells many values apart


@dataclass(frozen=True)
class GroupScore:
    """A metric of many models for one set-up.

    `n` models of the set-up, and where it is compared with oracles as many of those. `low` and
    `high` are the 95 % interval over models by bootstrap, `null` and `do_nothing` the metric on as
    many oracles and runs of do_nothing; `spread` is how far the null strays by the choice of
    models, 99 % of the time. `fraction` is (value - do_nothing) / (null - do_nothing).
    `told_apart`: the value is farther from its null than chance takes it. What is None has its
    reason in `why`.
    """

    n: int
    value: float | None
    low: float | None = None
    high: float | None = None
    null: float | None = None
    spread: float | None = None
    do_nothing: float | None = None
    fraction: float | None = None
    told_apart: bool | None = None
    under_powered: bool = False
    why: str = ""


def score_group(metric: GroupMetric, crowd: Crowd, bench: Bench) -> GroupScore:
    """A metric of many models on one set-up.

    Raises:
        ClbenchError: the crowds are of other streams, sources or samples; or the metric fails, or
            its value is not a finite number in its range.
    """
    for other in filter(None, (bench.oracles, bench.nothing)):
        crowd.check_comparable(other)
    n = bench.models(metric, crowd)
    if metric.judged and bench.oracles is None:
        return GroupScore(n, None, why=bench.without)
    try:
        score = GroupScore(n, bench.mean(metric, crowd, n))
    except NotMeasured as reason:
        return GroupScore(n, None, why=str(reason))
    score = replace(score, under_powered=metric.distribution and n < ENOUGH)
    return _with_null(_with_interval(score, metric, crowd, bench), metric, crowd, bench)


def _with_interval(
    score: GroupScore, metric: GroupMetric, crowd: Crowd, bench: Bench
) -> GroupScore:
    """With a bootstrap interval over the models of both sides.

    Resampled models come twice, which moves distances between distributions up. So the interval
    has the width of the resampled values, and lies about the value itself.
    """
    if score.n < 2 or metric.costly or score.value is None:
        why = "one model, so no interval" if score.n < 2 else ""
        return replace(score, why=_also(score.why, why))
    rng, drawn = np.random.default_rng(score.n), []
    for _ in range(RESAMPLES):
        judges = rng.integers(0, len(bench.oracles or (0,)), score.n)
        draw = Draw(rng.integers(0, len(crowd), score.n), judges)
        try:
            drawn.append(value_on(metric, crowd, bench, draw, POINTS))
        except NotMeasured:  # of too few different models
            continue
    if 2 * len(drawn) < RESAMPLES:
        return replace(score, why=_also(score.why, "too few models for an interval"))
    ends = np.quantile(drawn, [(1 - LEVEL) / 2, (1 + LEVEL) / 2]) - np.mean(drawn) + score.value
    low, high = np.clip(ends, *metric.range)
    return replace(score, low=float(low), high=float(high))


def _with_null(score: GroupScore, metric: GroupMetric, crowd: Crowd, bench: Bench) -> GroupScore:
    """With the null, and where the value lies between do-nothing and it."""
    try:
        nulls = bench.nulls(metric, score.n)
    except NotMeasured as reason:
        return replace(score, why=_also(score.why, str(reason)))
    value = score.value
    assert value is not None
    assert bench.oracles is not None
    null = float(np.mean(nulls))
    spread = APART * float(nulls.std(ddof=1))
    if not metric.judged:
        null = bench.mean(metric, bench.oracles, len(bench.oracles))
        spread *= _widening(len(crowd), len(bench.oracles))
    apart = abs(value - null) > spread + ROUNDING
    score = replace(score, null=null, spread=spread, told_apart=apart)
    try:
        idle = bench.idle(metric, score.n)
    except NotMeasured as reason:
        return replace(score, why=_also(score.why, str(reason)))
    if abs(idle - null) <= spread + ROUNDING:
        why = "no fraction: doing nothing is not told apart from the null"
        return replace(score, do_nothing=idle, why=_also(score.why, why))
    return replace(score, do_nothing=idle, fraction=(value - idle) / (null - idle))


def _widening(n: int, m: int) -> float:
    """From how far a mean over half of m oracles strays to how far the means of n and m differ.

    A half drawn from m has variance (1 - 1/2) / (m/2) = 1/m, the difference 1/n + 1/m.
    """
    return sqrt((1 / n + 1 / m) * m)


def _also(why: str, reason: str) -> str:
    return "; ".join(filter(None, [why, reason]))
