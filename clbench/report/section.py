"""What a report says of one stream: its rows, and the runs behind each."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from clbench.errors import unknown
from clbench.metric import Metric
from clbench.metric.group import GroupMetric
from clbench.record import StreamRecord
from clbench.score import RunScores, Scores
from clbench.summary import Row, summarise
from clbench.uses import UNKNOWN

HEADLINE = (
    "average_accuracy",
    "average_incremental_accuracy",
    "forgetting_from_peak",
    "negative_flip_rate",
    "expected_calibration_error",
    "learn_flops",
    "state_bytes",
)


@dataclass(frozen=True)
class Section:
    """One stream with its rows, methods first, and the runs of each row by its label."""

    title: str
    stream: StreamRecord
    rows: list[Row]
    runs: dict[str, list[RunScores]]

    @property
    def place(self) -> tuple[str, str]:
        """What tells streams apart that share a name."""
        return self.stream.fingerprint, self.stream.source_fingerprint

    @property
    def uses(self) -> list[str]:
        """All that the rows use beyond the data of each update; empty where none is known."""
        found = list(dict.fromkeys(word for row in self.rows for word in row.uses))
        return [] if found == [UNKNOWN] else found

    def granted(self, row: Row) -> tuple[str, ...]:
        """What the row's method was given beyond the protocol, as a control."""
        return self.runs[row.label][0].record.method.granted


def sections(scores: Scores) -> list[Section]:
    """One section a stream, by name."""
    groups: dict[tuple[str, str, str], list[RunScores]] = defaultdict(list)
    for run in scores.runs:
        stream = run.record.stream
        groups[stream.name, stream.fingerprint, stream.source_fingerprint].append(run)
    names = Counter(name for name, _, _ in groups)
    return [_section(scores, groups[key], names[key[0]] > 1) for key in sorted(groups)]


def chosen_metrics(scores: Scores, chosen: Sequence[str] | str | None) -> list[Metric]:
    """The named metrics; `"all"`; or, for None, the headline ones among those scored.

    Raises:
        ClbenchError: a named metric was not scored.
    """
    if chosen == "all":
        return list(scores.metrics.values())
    if chosen is None:
        headline = [scores.metrics[name] for name in HEADLINE if name in scores.metrics]
        return headline or list(scores.metrics.values())
    names = chosen.split(",") if isinstance(chosen, str) else chosen
    for name in names:
        if name not in scores.metrics:
            raise unknown("metric", name, scores.metrics)
    return [scores.metrics[name] for name in names]


def split_names(
    scores: Scores, chosen: Sequence[str] | str | None
) -> tuple[Sequence[str] | str | None, Sequence[str] | str | None]:
    """The names of metrics of single runs, and those of metrics of many models."""
    if chosen is None or chosen == "all":
        return chosen, chosen
    names = chosen.split(",") if isinstance(chosen, str) else chosen
    of_many = [name for name in names if name in scores.group_metrics]
    return [name for name in names if name not in of_many], of_many


def chosen_groups(scores: Scores, chosen: Sequence[str] | str | None) -> dict[str, GroupMetric]:
    """The named metrics of many models, or all."""
    names = scores.group_metrics if chosen is None or chosen == "all" else chosen
    return {name: scores.group_metrics[name] for name in names}


def families(metrics: Sequence[Metric]) -> dict[str, list[Metric]]:
    """Metrics by the file that they are in, which is one a family."""
    groups: dict[str, list[Metric]] = defaultdict(list)
    for metric in metrics:
        groups[metric.function.__module__.rpartition(".")[2]].append(metric)
    return dict(groups)


def title(metric: Metric) -> str:
    """A metric's id in words."""
    return metric.id.replace("_", " ")


def _section(scores: Scores, runs: Sequence[RunScores], shared_name: bool) -> Section:
    stream = runs[0].record.stream
    by_label: dict[str, list[RunScores]] = defaultdict(list)
    for run in sorted(runs, key=lambda run: run.record.seed):
        by_label[run.label].append(run)
    short = f" ({stream.fingerprint[:7]}, source {stream.source_fingerprint[:7]})"
    name = stream.name + short * shared_name
    return Section(name, stream, summarise(replace(scores, runs=tuple(runs))), dict(by_label))
