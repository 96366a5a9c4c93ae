"""Scores of runs to one row a stream and set-up: means over seeds, intervals, best and ties."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from clbench.metric import Metric
from clbench.record import StreamRecord
from clbench.score import RunScores, Scores
from clbench.statistics import holm, mean_interval, paired_t
from clbench.uses import MEANING, uses

ALPHA = 0.05
Values = Mapping[int, float]  # by seed


@dataclass(frozen=True)
class Cell:
    """One metric over the seeds of a row.

    `n` seeds have a value; `mean` is None where none has. `low` and `high` are the 95 % t interval
    of the mean, None below two values. `best`: the best mean on the stream among the methods that
    are no control. `tied`: a method that a paired t test over the shared seeds, Holm-corrected,
    does not tell apart from the best at 5 %, or that shares too few seeds to tell. `why` says
    what is missing, in sentences; empty if nothing is.
    """

    n: int
    mean: float | None
    low: float | None = None
    high: float | None = None
    why: str = ""
    best: bool = False
    tied: bool = False


@dataclass(frozen=True)
class Row:
    """A set-up on a stream: a method with its hyperparameters, over seeds.

    `tuning` is how these were chosen, as `run.json` has it; None if by hand.
    """

    stream: str  # name, with a short fingerprint where two streams share it
    label: str  # as in RunScores
    control: bool
    seeds: tuple[int, ...]
    cells: dict[str, Cell]  # by metric id
    tuning: dict[str, Any] | None = None
    uses: tuple[str, ...] = ()  # of clbench.uses.MEANING


def summarise(scores: Scores) -> list[Row]:
    """One row a stream and set-up: by stream, methods before controls, then by label."""
    names = _stream_names([run.record.stream for run in scores.runs])
    groups: dict[tuple[str, bool, str], list[RunScores]] = defaultdict(list)
    for run in scores.runs:
        stream = names[_identity(run.record.stream)]
        groups[stream, run.record.method.control, run.label].append(run)
    rows = {key: _row(key, runs, scores.metrics) for key, runs in sorted(groups.items())}
    for stream in dict.fromkeys(key[0] for key in rows):
        contenders = [key for key in rows if key[0] == stream and not key[1]]
        for metric in scores.metrics.values():
            values = {key: _values(groups[key], metric.id) for key in contenders}
            _mark_best(metric, {k: v for k, v in values.items() if v}, rows)
    return list(rows.values())


def to_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON-ready values."""
    return [asdict(row) | {"seeds": list(row.seeds), "uses": list(row.uses)} for row in rows]


def _row(
    key: tuple[str, bool, str], runs: Sequence[RunScores], metrics: Mapping[str, Metric]
) -> Row:
    stream, control, label = key
    seeds = tuple(sorted(run.record.seed for run in runs))
    used = {word for run in runs for word in uses(run.record)}
    words = tuple(word for word in MEANING if word in used)
    tuning = runs[0].record.tuning
    record = tuning.model_dump(mode="json") if tuning else None
    cells = {metric: _cell(runs, metric) for metric in metrics}
    return Row(stream, label, control, seeds, cells, record, words)


def _cell(runs: Sequence[RunScores], metric: str) -> Cell:
    """Mean and interval of the seeds that have a value, and why others have none."""
    values = list(_values(runs, metric).values())
    missing = [run for run in runs if run.values[metric].value is None]
    whys = dict.fromkeys(run.values[metric].why for run in missing)
    if not values:
        return Cell(0, None, why="; ".join(whys))
    why = f"{len(missing)} of {len(runs)} seeds not measured: {'; '.join(whys)}" if missing else ""
    mean = sum(values) / len(values)
    if len(values) == 1:
        return Cell(1, mean, why="; ".join(filter(None, [why, "one seed, so no interval"])))
    return Cell(len(values), mean, *mean_interval(values), why=why)


def _values(runs: Sequence[RunScores], metric: str) -> dict[int, float]:
    """The values of a metric by seed, where it has one."""
    scores = {run.record.seed: run.values[metric].value for run in runs}
    return {seed: value for seed, value in scores.items() if value is not None}


def _mark_best(
    metric: Metric,
    values: Mapping[tuple[str, bool, str], Values],
    rows: dict[tuple[str, bool, str], Row],
) -> None:
    """Mark in `rows` the best of the contenders and those that are not told apart from it."""
    if metric.direction == "neither" or not values:
        return
    sign = 1 if metric.direction == "higher" else -1
    means = {key: sum(each.values()) / len(each) for key, each in values.items()}
    best = max(means, key=lambda key: sign * means[key])
    _change(rows, best, metric.id, best=True)
    tests = {key: _test(values[best], values[key]) for key in values if key != best}
    tested = {key: p for key, p in tests.items() if p is not None}
    adjusted = dict(zip(tested, holm(list(tested.values())), strict=True))
    for key, p in tests.items():
        if p is None:
            note = f"shares fewer than 2 seeds with {best[2]}, the best: cannot be told apart"
            _change(rows, key, metric.id, tied=True, note=note)
        elif adjusted[key] >= ALPHA:
            _change(rows, key, metric.id, tied=True)


def _test(best: Values, other: Values) -> float | None:
    """P-value over the seeds that both have; None below 2 of them."""
    shared = sorted(set(best) & set(other))
    return paired_t([best[s] - other[s] for s in shared]) if len(shared) >= 2 else None


def _change(
    rows: dict[tuple[str, bool, str], Row],
    key: tuple[str, bool, str],
    metric: str,
    note: str = "",
    **changes: bool,
) -> None:
    cell = rows[key].cells[metric]
    why = "; ".join(filter(None, [cell.why, note]))
    rows[key].cells[metric] = replace(cell, why=why, **changes)


def _identity(stream: StreamRecord) -> tuple[str, str]:
    return stream.fingerprint, stream.source_fingerprint


def _stream_names(streams: Sequence[StreamRecord]) -> dict[tuple[str, str], str]:
    """A name for each distinct stream; those that share a name get a short fingerprint."""
    distinct = {_identity(stream): stream for stream in streams}
    names = [stream.name for stream in distinct.values()]
    return {
        identity: stream.name
        if names.count(stream.name) == 1
        else f"{stream.name} ({stream.fingerprint[:7]}, source {stream.source_fingerprint[:7]})"
        for identity, stream in distinct.items()
    }
