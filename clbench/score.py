"""Ledgers to scores: every metric on every finished run. `clbench.summary` makes a table of them.

A score depends on the ledger alone, and for metrics that need the control `joint` on that run's
ledger too, which is looked for among the same set.
"""

import multiprocessing
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from itertools import count
from pathlib import Path

from clbench.errors import ClbenchError
from clbench.evidence import Evidence, FloatArray
from clbench.grouping import GroupRow, count_groups, score_groups
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.measure import Score, load_group_metrics, load_metrics, measure
from clbench.metric import Metric
from clbench.metric.group import GroupMetric
from clbench.record import RunRecord

Progress = Callable[[int, int], None]  # runs and groups scored, those in all
Place = tuple[str, str, int]  # stream, source, seed
CHUNK = 32


@dataclass(frozen=True)
class RunScores:
    """All scores of one run. `label` names its method, and what sets it apart in this set."""

    record: RunRecord
    path: Path
    label: str
    values: dict[str, Score]  # by metric id


@dataclass(frozen=True)
class Scores:
    """Scores of a set of runs, in the order of the ledgers.

    `metrics` are the declarations by id. What was left out is told in sentences: `unfinished`
    runs, and `broken` metric plugins that do not import. `groups` are the set-ups on streams that
    forget, scored over all their runs by `group_metrics`.
    """

    metrics: dict[str, Metric]
    runs: tuple[RunScores, ...]
    unfinished: tuple[str, ...]
    broken: tuple[str, ...] = ()
    group_metrics: dict[str, GroupMetric] = field(default_factory=dict)
    groups: tuple[GroupRow, ...] = ()


def score_runs(
    ledgers: Sequence[Ledger],
    metrics: Sequence[str] | None = None,
    jobs: int = 1,
    progress: Progress | None = None,
    *,
    every: bool = False,
) -> Scores:
    """Score every finished run with the named metrics (ids or `file.py:name`).

    By default with all that are not costly, with `every` with those, too.

    Set-ups on streams that forget are scored over all their runs, too, by metrics of many models:
    by default by the headline ones of these, with `every` by all.

    `jobs` above 1 spreads many runs over as many processes; a script that asks for it needs the
    usual `if __name__ == "__main__"`. `progress` hears of the runs as they are scored.

    Raises:
        ClbenchError: a ledger is broken (the message names the file), two ledgers hold the same
            run, a named metric is unknown, or a metric fails or returns what it may not.
    """
    declared, broken = load_metrics(metrics, costly=every)
    of_many, broken_too = load_group_metrics(metrics)
    if metrics is None and not every:
        of_many = {name: metric for name, metric in of_many.items() if metric.headline}
    finished, unfinished = split_finished(ledgers)
    _reject_repeats(finished)
    by_place = sorted(finished, key=lambda run: _place(run.record))
    chunks = [by_place[i : i + CHUNK] for i in range(0, len(by_place), CHUNK)]
    names = list(declared) if metrics is None else list(metrics)
    tasks = [_Task(_paths(chunk), _paths(_joints_of(chunk, finished)), names) for chunk in chunks]
    labelled = list(zip(finished, labels([ledger.record for ledger in finished]), strict=True))
    whole = len(finished) + (count_groups(labelled) if of_many else 0)
    steps = count(1)

    def step() -> None:
        if progress:
            progress(next(steps), whole)

    found: dict[Path, dict[str, Score]] = {}
    for values in _spread(tasks, jobs):
        for _ in values:
            step()
        found |= values
    runs = tuple(
        RunScores(ledger.record, ledger.path, label, found[ledger.path])
        for ledger, label in labelled
    )
    groups = score_groups(labelled, of_many, step) if of_many else ()
    return Scores(declared, runs, unfinished, (*broken, *broken_too), of_many, groups)


def split_finished(ledgers: Sequence[Ledger]) -> tuple[list[Ledger], tuple[str, ...]]:
    """The finished runs, and a sentence about each other one."""
    finished, unfinished = [], []
    for ledger in ledgers:
        if ledger.finished:
            finished.append(ledger)
        else:
            whole = len(ledger.record.stream.updates) + 1
            unfinished.append(f"{ledger.path} has {ledger.versions} of {whole} versions")
    return finished, tuple(unfinished)


@dataclass(frozen=True)
class _Task:
    """What crosses to a process: some runs, the runs of `joint` beside them, names of metrics."""

    runs: Sequence[Path]
    joints: Sequence[Path]
    metrics: Sequence[str]


def _spread(tasks: Sequence[_Task], jobs: int) -> Iterator[dict[Path, dict[str, Score]]]:
    """The scores of each task in turn, worked out here or by processes."""
    if min(jobs, len(tasks)) < 2:
        yield from map(_score_task, tasks)
        return
    # forked copies of a process with threads may hang; a fresh one imports no torch
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(tasks)), mp_context=context) as pool:
        yield from pool.map(_score_task, tasks)


def _score_task(task: _Task) -> dict[Path, dict[str, Score]]:
    metrics, _ = load_metrics(task.metrics)
    joints: dict[Place, list[_Joint]] = defaultdict(list)
    for ledger in map(Ledger, task.joints):
        joints[_place(ledger.record)].append(_Joint(ledger))
    found = {}
    for ledger in map(Ledger, task.runs):
        evidence = Evidence(ledger, joints.get(_place(ledger.record), ()))
        found[ledger.path] = {name: measure(each, evidence) for name, each in metrics.items()}
    return found


@dataclass(frozen=True)
class _Joint:
    """The accuracy of a run of `joint`, read once for the runs beside it and kept without more."""

    ledger: Ledger

    @cached_property
    def accuracy(self) -> FloatArray:
        return Evidence(self.ledger).accuracy


def _joints_of(chunk: Sequence[Ledger], ledgers: Sequence[Ledger]) -> list[Ledger]:
    """The runs of `joint` on the streams and sources of the chunk, with its seeds."""
    places = {_place(ledger.record) for ledger in chunk}
    joints = (ledger for ledger in ledgers if ledger.record.method.name == "joint")
    return [ledger for ledger in joints if _place(ledger.record) in places]


def _paths(ledgers: Sequence[Ledger]) -> list[Path]:
    return [ledger.path for ledger in ledgers]


def _place(record: RunRecord) -> Place:
    return record.stream.fingerprint, record.stream.source_fingerprint, record.seed


def _reject_repeats(ledgers: Sequence[Ledger]) -> None:
    seen: dict[str, Ledger] = {}
    for ledger in ledgers:
        other = seen.setdefault(ledger.record.key, ledger)
        if other is not ledger:
            raise ClbenchError(
                f"{other.path} and {ledger.path} are the same run ({ledger.record.method.name}, "
                f"seed {ledger.record.seed}); leave one out"
            )
