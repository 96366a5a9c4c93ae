"""Runs of streams that forget to one row a set-up: its scores over all its models.

What each set-up is held against is the business of `clbench.recipes`.
"""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from clbench.bench import Bench
from clbench.groupscore import GroupScore, score_group
from clbench.ledger import Ledger
from clbench.metric.group import GroupMetric
from clbench.metric.unlearned import forget_gap, forget_margin_shift
from clbench.recipes import Setups, benches
from clbench.recorded import crowd_of_runs

FLAGS = (forget_gap, forget_margin_shift)  # what a set-up is flagged by, whatever is shown of it
Labelled = tuple[Ledger, str]  # a run, and the label of its set-up


@dataclass(frozen=True)
class GroupRow:
    """A set-up on a stream that forgets: one score a metric of many models, by id.

    `flag` says in which direction it misses the oracles on what was to be forgotten:
    `over-unlearned`, `remembers`, `both` by different measures; empty if it is not told apart.
    `flag_sizes` are how far it lies above the null, by the measures that tell it apart: forget
    accuracy (`forget_gap`) and margins, in standard deviations of the oracles'
    (`forget_margin_shift`). Below 0 it is over-unlearned.
    """

    stream: str
    fingerprint: str
    source_fingerprint: str
    label: str
    control: bool
    seeds: tuple[int, ...]
    scores: dict[str, GroupScore]
    oracles: str = ""  # label of those that it is held against
    flag: str = ""
    flag_sizes: dict[str, float] = field(default_factory=dict)

    @property
    def place(self) -> tuple[str, str]:
        """The stream and source, as sections of a report are told apart."""
        return self.fingerprint, self.source_fingerprint


def score_groups(
    runs: Sequence[Labelled],
    metrics: Mapping[str, GroupMetric],
    progress: Callable[[], None] = lambda: None,
) -> tuple[GroupRow, ...]:
    """A row for each set-up among finished runs of streams that forget.

    Rows are by stream, methods before controls, then by label. `progress` is called after each.
    """
    rows = []
    for setups in _by_stream(runs).values():
        for label, bench in benches(setups):
            rows.append(_row(setups[label], label, metrics, bench))
            progress()
    return tuple(sorted(rows, key=lambda row: (row.stream, row.place, row.control, row.label)))


def count_groups(runs: Sequence[Labelled]) -> int:
    """How many rows there will be."""
    return sum(map(len, _by_stream(runs).values()))


def group_records(rows: Sequence[GroupRow]) -> list[dict[str, Any]]:
    """Rows as JSON-ready values."""
    return [asdict(row) | {"seeds": list(row.seeds)} for row in rows]


def _by_stream(runs: Sequence[Labelled]) -> dict[tuple[str, str], Setups]:
    """Set-ups of each stream that forgets."""
    found: dict[tuple[str, str], Setups] = defaultdict(lambda: defaultdict(list))
    for ledger, label in runs:
        stream = ledger.record.stream
        if any(update.kind == "forget" for update in stream.updates):
            found[stream.fingerprint, stream.source_fingerprint][label].append(ledger)
    return found


def _row(
    ledgers: Sequence[Ledger], label: str, metrics: Mapping[str, GroupMetric], bench: Bench
) -> GroupRow:
    benched = (bench.oracles, bench.nothing)
    known = {each.label: each for each in benched if each is not None}
    crowd = known.get(label) or crowd_of_runs(ledgers, label)
    scores = {name: score_group(metric, crowd, bench) for name, metric in metrics.items()}
    sizes = _sizes({m.id: scores.get(m.id) or score_group(m, crowd, bench) for m in FLAGS})
    stream, control = crowd.stream, ledgers[0].record.method.control
    return GroupRow(
        stream.name,
        stream.fingerprint,
        stream.source_fingerprint,
        label,
        control,
        tuple(crowd.seeds.tolist()),
        scores,
        bench.oracles.label if bench.oracles else "",
        _flag(sizes),
        sizes,
    )


def _sizes(scores: Mapping[str, GroupScore]) -> dict[str, float]:
    """How far scores that are told apart from their nulls lie above them."""
    return {
        name: score.value - score.null
        for name, score in scores.items()
        if score.told_apart and score.value is not None and score.null is not None
    }


def _flag(sizes: Mapping[str, float]) -> str:
    """The direction in which a set-up misses the oracles."""
    below = {size < 0 for size in sizes.values()}
    if len(below) == 2:
        return "both"
    return ("over-unlearned" if below == {True} else "remembers") if below else ""
