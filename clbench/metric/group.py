"""What a metric of many models declares about itself.

Some questions have no answer for one model: whether unlearned models are distributed as retrained
ones is about both crowds. Such a metric is a function of arrays, too; the names of its parameters
say what it needs, and `clbench.sides` says what these names mean.
"""

from collections.abc import Callable
from dataclasses import dataclass

from clbench.metric.base import Direction, Metric, Unit

ENOUGH = 20  # models a side; the null of a distribution of fewer hides shifts of several sd


@dataclass(frozen=True)
class GroupMetric(Metric):
    """A metric whose evidence is of all runs of a set-up, and of the oracles.

    `distribution`: it estimates a distribution over models, so that it is under-powered with
    fewer than 20 on a side. `costly`: it takes so long that it is worked out on fewer points and
    splits of the oracles, and has no interval. `headline`: it is worked out where no metrics are
    named; the others take seconds a set-up, or say what these say in another way.
    """

    distribution: bool = False
    headline: bool = False

    @property
    def judged(self) -> bool:
        """Whether it compares with oracles, rather than tell of the set-up alone."""
        return any(need.startswith("oracle_") for need in self.needs)


def group_metric(
    *,
    version: int = 1,
    direction: Direction,
    range: tuple[float, float],
    paper: str = "",
    unit: Unit = "fraction",
    distribution: bool = False,
    costly: bool = False,
    headline: bool = False,
) -> Callable[[Callable[..., float]], GroupMetric]:
    """Declare a function as a metric of many models; its name becomes the id."""

    def declare(function: Callable[..., float]) -> GroupMetric:
        name, rules = function.__name__, (costly, distribution, headline)
        return GroupMetric(function, name, version, direction, range, paper, unit, *rules)

    return declare
