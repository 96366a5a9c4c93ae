"""Which scores catch which planted faults."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from clbench.grouping import GroupRow
from clbench.groupscore import GroupScore
from clbench.metric.group import GroupMetric

Verdict = Literal["caught", "missed", "not measured"]
HONEST = "nothing"  # the column of what has no fault


@dataclass(frozen=True)
class Matrix:
    """Verdicts by metric and fault, with the scores that they rest on.

    A fault is caught where the metric lies farther from its null than chance takes it. `nothing`
    is retraining once more with other seeds: what catches it gives false alarms.
    """

    stream: str
    seeds: int
    oracles: int
    metrics: tuple[GroupMetric, ...]
    scores: dict[str, dict[str, GroupScore]]  # by fault, then by metric

    def verdict(self, fault: str, metric: str) -> Verdict:
        """What a metric says of a fault."""
        apart = self.scores[fault][metric].told_apart
        return "not measured" if apart is None else "caught" if apart else "missed"

    def caught(self, fault: str) -> tuple[str, ...]:
        """The metrics that catch a fault."""
        found = (metric.id for metric in self.metrics)
        return tuple(each for each in found if self.verdict(fault, each) == "caught")

    def ranking(self, metric: str) -> tuple[str, ...]:
        """Faults and `nothing`, nearest to the null first, where they have a value."""
        distances = {
            fault: abs(score.value - score.null)
            for fault, scores in self.scores.items()
            if (score := scores[metric]).value is not None and score.null is not None
        }
        return tuple(sorted(distances, key=distances.__getitem__))

    def record(self) -> dict[str, Any]:
        """The matrix as JSON-ready values."""
        verdicts = {
            metric.id: {fault: self.verdict(fault, metric.id) for fault in self.scores}
            for metric in self.metrics
        }
        scores = {
            fault: {name: asdict(score) for name, score in each.items()}
            for fault, each in self.scores.items()
        }
        rankings = {metric.id: self.ranking(metric.id) for metric in self.metrics}
        about = {"stream": self.stream, "seeds": self.seeds, "oracles": self.oracles}
        return {**about, "verdicts": verdicts, "rankings": rankings, "scores": scores}


def matrix(
    rows: Sequence[GroupRow], faults: Mapping[str, str], metrics: Mapping[str, GroupMetric]
) -> Matrix:
    """The matrix of scored set-ups; `faults` are the labels of rows by the name of the fault.

    Metrics that have no value for any fault are left out.
    """
    by_label = {row.label: row for row in rows}
    scores = {fault: by_label[label].scores for fault, label in faults.items()}
    some = next(row for row in rows if row.label in faults.values())
    measured = tuple(
        metric
        for metric in metrics.values()
        if any(each[metric.id].value is not None for each in scores.values())
    )
    return Matrix(some.stream, len(some.seeds), len(by_label[some.oracles].seeds), measured, scores)
