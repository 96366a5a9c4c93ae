"""Ledgers to scores: every metric on every finished run. `clbench.summary` makes a table of them.

A score depends on the ledger alone, and for metrics that need the control `joint` on that run's
ledger too, which is looked for among the same set.
"""

import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from pathlib import Path

from clbench import plugin
from clbench.errors import ClbenchError
from clbench.evidence import Evidence, FloatArray
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.metric import Metric, NotMeasured
from clbench.record import RunRecord

Progress = Callable[[int, int], None]  # runs scored, runs in all
ROUNDING = 1e-9


@dataclass(frozen=True)
class Score:
    """A metric's value for a run, or why it has none."""

    value: float | None
    why: str = ""


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
    runs, and `broken` metric plugins that do not import.
    """

    metrics: dict[str, Metric]
    runs: tuple[RunScores, ...]
    unfinished: tuple[str, ...]
    broken: tuple[str, ...] = ()


def score_runs(
    ledgers: Sequence[Ledger],
    metrics: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score every finished run with the named metrics (ids or `file.py:name`; default: all).

    `jobs` threads share the work (default: one a core); `progress` hears of every run.

    Raises:
        ClbenchError: a ledger is broken (the message names the file), two ledgers hold the same
            run, a named metric is unknown, or a metric fails or returns what it may not.
    """
    declared, broken = load_metrics(metrics)
    finished, unfinished = split_finished(ledgers)
    _reject_repeats(finished)
    joints = _joints(finished)
    found: list[dict[str, Score]] = []
    with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:
        work = pool.map(lambda run: _measure_all(declared, Evidence(run, joints(run))), finished)
        for values in work:
            found.append(values)
            if progress:
                progress(len(found), len(finished))
    records = [ledger.record for ledger in finished]
    parts = zip(records, finished, labels(records), found, strict=True)
    runs = tuple(RunScores(record, run.path, label, values) for record, run, label, values in parts)
    return Scores(declared, runs, unfinished, broken)


def load_metrics(names: Sequence[str] | None = None) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Metrics by id, and what is wrong with the registered ones that do not load.

    A metric that was named must load; without names, all that are registered and do.
    """
    declared: dict[str, Metric] = {}
    broken = []
    for name in plugin.entries("metrics") if names is None else names:
        try:
            metric = plugin.load("metrics", name)
        except ClbenchError as error:
            if names is not None:
                raise
            broken.append(str(error))
            continue
        if not isinstance(metric, Metric):
            raise ClbenchError(
                f"{name} is a {type(metric).__name__}; decorate it with @metric(...)"
            )
        if declared.setdefault(metric.id, metric) is not metric:
            raise ClbenchError(f"two metrics have the id {metric.id!r}; rename that of {name}")
    return declared, tuple(broken)


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


def measure(metric: Metric, evidence: Evidence) -> Score:
    """A metric's score on the evidence of one run.

    Raises:
        ClbenchError: the metric fails, or its value is not a finite number in its range.
    """
    try:
        value = float(metric(*(evidence.of(need) for need in metric.needs)))
    except NotMeasured as reason:
        return Score(None, str(reason))
    except ClbenchError:
        raise
    except Exception as error:
        raise ClbenchError(
            f"metric {metric.name} fails on {evidence.path}: {type(error).__name__}: {error}"
        ) from error
    low, high = metric.range
    if not (isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
        raise ClbenchError(
            f"metric {metric.name} is {value} for {evidence.path}; it must be in [{low}, {high}], "
            "or NotMeasured where it has no value"
        )
    return Score(value)


def _measure_all(metrics: dict[str, Metric], evidence: Evidence) -> dict[str, Score]:
    return {name: measure(metric, evidence) for name, metric in metrics.items()}


@dataclass(frozen=True)
class _Joint:
    """The accuracy of a run of `joint`, read once for all runs beside it and kept without more."""

    ledger: Ledger

    @cached_property
    def accuracy(self) -> FloatArray:
        return Evidence(self.ledger).accuracy


def _joints(ledgers: Sequence[Ledger]) -> Callable[[Ledger], Sequence[_Joint]]:
    """For a run, the runs of `joint` on the same stream and source with the same seed."""
    found: dict[tuple[str, str, int], list[_Joint]] = defaultdict(list)
    for ledger in ledgers:
        if ledger.record.method.name == "joint":
            found[_place(ledger.record)].append(_Joint(ledger))
    return lambda ledger: found.get(_place(ledger.record), [])


def _place(record: RunRecord) -> tuple[str, str, int]:
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
