"""What a metric of many models is worked out on: which models of a set-up meet which oracles.

A metric that compares with oracles takes k models of the set-up and k oracles, k being at most
half of the oracles, so that its null can do the same with the other half; value, null and
do-nothing are means over ten splits of the oracles. Originals of one seed are one model in all
crowds: models that share a seed with an oracle that they are held against are avoided.
"""

from dataclasses import dataclass

import numpy as np

from clbench.crowd import Crowd, FloatArray, IntArray
from clbench.measure import value_of
from clbench.metric.base import NotMeasured
from clbench.metric.group import GroupMetric
from clbench.sides import Sides

SPLITS, FEW_SPLITS = 10, 4  # few for costly metrics
FEW_POINTS = 100  # of a set, in costly metrics
NO_ORACLES = "no finished run of retrain on this stream"
NO_NOTHING = "no finished run of do_nothing on this stream"


@dataclass(frozen=True)
class Draw:
    """Which models of a crowd meet which oracles."""

    models: IntArray
    judges: IntArray


class Bench:
    """What set-ups of one stream are held against: oracles, and runs that ignore all requests.

    `untrained` models are beside them for what asks how near a model is to one that never learnt.
    Each may be None. `without` and `without_nothing` say why, where there are some that will not
    do. What has been worked out for a number of models is kept.
    """

    def __init__(
        self,
        oracles: Crowd | None,
        nothing: Crowd | None = None,
        without: str = "",
        without_nothing: str = "",
        untrained: Crowd | None = None,
    ) -> None:
        self.oracles, self.nothing, self.untrained = oracles, nothing, untrained
        self.without = without or NO_ORACLES
        self.without_nothing = without_nothing or NO_NOTHING
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
                [value_on(metric, oracles, self, d) for d in draws]
            )
        return self._nulls[metric.id, k]

    def idle(self, metric: GroupMetric, k: int) -> float:
        """The metric on k runs that ignore all requests.

        Raises:
            NotMeasured: there are none.
        """
        if self.nothing is None:
            raise NotMeasured(self.without_nothing)
        if (metric.id, k) not in self._idle:
            self._idle[metric.id, k] = self.mean(metric, self.nothing, k)
        return self._idle[metric.id, k]

    def mean(self, metric: GroupMetric, crowd: Crowd, k: int) -> float:
        """The metric on at most k models of a crowd, mean over splits of the oracles."""
        draws = self.draws(metric, crowd, k)
        return float(np.mean([value_on(metric, crowd, self, draw) for draw in draws]))

    def models(self, metric: GroupMetric, crowd: Crowd) -> int:
        """How many models of a crowd take part at a time."""
        if not metric.judged or self.oracles is None:
            return len(crowd)
        return min(len(crowd), max(1, len(self.oracles) // 2))

    def draws(self, metric: GroupMetric, crowd: Crowd, k: int) -> list[Draw]:
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


def value_on(
    metric: GroupMetric, crowd: Crowd, bench: Bench, draw: Draw, most: int | None = None
) -> float:
    """The metric on some models and some oracles of a bench.

    `most` points of a set take part, drawn once; fewer where the metric is costly.

    Raises:
        NotMeasured: it has no value there.
        ClbenchError: it fails, or its value is not a finite number in its range.
    """
    most = FEW_POINTS if metric.costly else most
    sides = Sides(crowd, bench.oracles, draw.models, draw.judges, most, bench.untrained)
    return value_of(metric, sides.of, crowd.label)


def _splits(metric: GroupMetric, known: int, k: int) -> list[tuple[IntArray, IntArray]]:
    """Several times k oracles, and k others."""
    rng, number = np.random.default_rng(known), FEW_SPLITS if metric.costly else SPLITS
    orders = [rng.permutation(known) for _ in range(number)]
    return [(order[:k], order[k : 2 * k]) for order in orders]
