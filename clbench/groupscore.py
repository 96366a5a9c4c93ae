"""Metrics of many models: value, null, and where the value lies between do-nothing and null.

Distances between distributions are far above 0 for finitely many models, even where nothing
differs. So each value stands beside its null, the same metric on the same number of models with
oracles in the place of the set-up; and as a fraction: 0 is what doing nothing gets, 1 the null.

A metric that compares with oracles takes k models of the set-up and k oracles, k being at most
half of the oracles, so that its null can do the same with the other half; value, null and
do-nothing are means over ten splits of the oracles. Originals of one seed are one model in all
crowds: models that share a seed with an oracle that they are held against are avoided.
"""

from dataclasses import dataclass, replace
from math import sqrt

import numpy as np

from clbench.crowd import Crowd, FloatArray, IntArray
from clbench.measure import ROUNDING, value_of
from clbench.metric.base import NotMeasured
from clbench.metric.group import ENOUGH, GroupMetric
from clbench.sides import Sides

SPLITS, FEW_SPLITS = 10, 4  # few for costly metrics
RESAMPLES = 200
POINTS, FEW_POINTS = 1000, 100  # of a set: in resamples, which are about models; in costly metrics
LEVEL = 0.95  # of intervals
APART = 2.58  # standard deviations of the null: 99 %, as a table tells many values apart
NO_ORACLES = "no finished run of retrain on this stream"
NO_NOTHING = "no finished run of do_nothing on this stream"


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


class Bench:
    """What set-ups of one stream are held against: oracles, and runs of do_nothing.

    Either may be None. `without` says why, where there are oracles that will not do. What has been
    worked out for a number of models is kept.
    """

    def __init__(
        self, oracles: Crowd | None, nothing: Crowd | None = None, without: str = ""
    ) -> None:
        self.oracles, self.nothing, self.without = oracles, nothing, without or NO_ORACLES
        self._nulls: dict[tuple[str, int], FloatArray] = {}
        self._idle: dict[tuple[str, int], float] = {}

    def nulls(self, metric: GroupMetric, k: int) -> FloatArray:
        """[splits] the metric on k oracles in the place of a set-up, or on halves of all.

        Raises:
            NotMeasured: there are fewer than 2 oracles.
        """
        oracles = self.oracles
        if oracles is None or len(oracles) < 2:
            raise NotMeasured(f"a null takes 2 oracles; there are {len(oracles or ())}")
        if (metric.id, k) not in self._nulls:
            size = min(k, len(oracles) // 2) if metric.judged else len(oracles) // 2
            draws = [Draw(models, judges) for judges, models in _splits(metric, len(oracles), size)]
            self._nulls[metric.id, k] = np.array(
                [_value(metric, oracles, oracles, d) for d in draws]
            )
        return self._nulls[metric.id, k]

    def idle(self, metric: GroupMetric, k: int) -> float:
        """The metric on k runs of do_nothing.

        Raises:
            NotMeasured: there are none.
        """
        if self.nothing is None:
            raise NotMeasured(NO_NOTHING)
        if (metric.id, k) not in self._idle:
            self._idle[metric.id, k] = self.mean(metric, self.nothing, k)
        return self._idle[metric.id, k]

    def mean(self, metric: GroupMetric, crowd: Crowd, k: int) -> float:
        """The metric on at most k models of a crowd, mean over splits of the oracles."""
        draws = self.draws(metric, crowd, k)
        return float(np.mean([_value(metric, crowd, self.oracles, draw) for draw in draws]))

    def models(self, metric: GroupMetric, crowd: Crowd) -> int:
        """How many models of a crowd take part at a time."""
        if not metric.judged or self.oracles is None:
            return len(crowd)
        return min(len(crowd), max(1, len(self.oracles) // 2))

    def draws(self, metric: GroupMetric, crowd: Crowd, k: int) -> list["Draw"]:
        """Which models meet which oracles, split by split; once all, where no oracle takes part."""
        every, oracles = np.arange(len(crowd)), self.oracles
        if not metric.judged or oracles is None:
            return [Draw(every, every[:0])]
        found = []
        for number, (judges, _) in enumerate(_splits(metric, len(oracles), k)):
            order = np.random.default_rng(number).permutation(every)
            shared = np.isin(crowd.seeds[order], oracles.seeds[judges])
            found.append(Draw(order[np.argsort(shared, kind="stable")][:k], judges))
        return found


@dataclass(frozen=True)
class Draw:
    """Which models of a crowd meet which oracles."""

    models: IntArray
    judges: IntArray


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
            drawn.append(_value(metric, crowd, bench.oracles, draw, POINTS))
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


def _value(
    metric: GroupMetric, crowd: Crowd, oracles: Crowd | None, draw: Draw, most: int | None = None
) -> float:
    """The metric on some models and some oracles."""
    most = FEW_POINTS if metric.costly else most
    sides = Sides(crowd, oracles, draw.models, draw.judges, most)
    return value_of(metric, sides.of, crowd.label)


def _splits(metric: GroupMetric, known: int, k: int) -> list[tuple[IntArray, IntArray]]:
    """Several times k oracles, and k others."""
    rng, number = np.random.default_rng(known), FEW_SPLITS if metric.costly else SPLITS
    orders = [rng.permutation(known) for _ in range(number)]
    return [(order[:k], order[k : 2 * k]) for order in orders]


def _widening(n: int, m: int) -> float:
    """From how far a mean over half of m oracles strays to how far the means of n and m differ.

    A half drawn from m has variance (1 - 1/2) / (m/2) = 1/m, the difference 1/n + 1/m.
    """
    return sqrt((1 / n + 1 / m) * m)


def _also(why: str, reason: str) -> str:
    return "; ".join(filter(None, [why, reason]))
