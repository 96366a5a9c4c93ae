"""What a trial came to: the objective on its runs, one by one or as one crowd beside oracles.

A metric of many models compares with oracles. Those of a search are runs of `retrain` on the
stream that it tunes on, with the recipe that it starts from and seeds that no trial has: the
oracles of the evaluated stream are not touched.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.measure import measure, value_of
from clbench.metric import Metric
from clbench.metric.base import NotMeasured
from clbench.metric.group import GroupMetric
from clbench.recipes import ORACLES
from clbench.recorded import crowd_of_runs
from clbench.running import planned_record
from clbench.settings import RECIPE
from clbench.sides import Sides
from clbench.sweep import Cell

FIRST_ORACLE = 1_000_000  # their first seed; trials have small ones
FEWEST_ORACLES = 5


def judged(objective: Metric) -> bool:
    """Whether trials are held against oracles."""
    return isinstance(objective, GroupMetric) and objective.judged


def oracle_cells(base: Cell, seeds: int) -> list[Cell]:
    """The oracles of a search: as many as a trial has seeds, and five at least."""
    chosen = planned_record(base).hyperparameters
    recipe = {name: chosen[name] for name in RECIPE if name in chosen}
    cell = replace(
        base,
        method=ORACLES,
        hyperparameters=recipe,
        stream=replace(base.stream, recipe={}),  # what retrain lacks of it is no mistake
        settings=replace(base.settings, originals=None),  # of other seeds
    )
    return [replace(cell, seed=FIRST_ORACLE + k) for k in range(max(seeds, FEWEST_ORACLES))]


@dataclass(frozen=True)
class Appraisal:
    """The value of an objective; `oracles` are there if it is judged."""

    objective: Metric
    oracles: Sequence[Ledger] = ()

    def value(self, ledgers: Sequence[Ledger]) -> tuple[float | None, str]:
        """Of the runs of a trial; None and why, if it has none."""
        try:
            if isinstance(self.objective, GroupMetric):
                return self._of_crowd(self.objective, ledgers), ""
            values = list(self._of_each(ledgers))
        except NotMeasured as reason:
            return None, f"{self.objective.id} is not measured: {reason}"
        return sum(values) / len(values), ""

    def _of_each(self, ledgers: Sequence[Ledger]) -> Iterator[float]:
        for ledger in ledgers:
            score = measure(self.objective, Evidence(ledger))
            if score.value is None:
                raise NotMeasured(score.why)
            yield score.value

    def _of_crowd(self, objective: GroupMetric, ledgers: Sequence[Ledger]) -> float:
        oracles = crowd_of_runs(self.oracles) if self.oracles else None
        crowd = crowd_of_runs(ledgers)
        return value_of(objective, Sides(crowd, oracles).of, crowd.label)
