"""Ledgers to scores: every metric on every finished run. `clbench.summary` is the table of it."""

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from clbench import plugin
from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.metric import Metric, NotMeasured
from clbench.record import RunRecord

Progress = Callable[[int, int], None]  # runs scored, runs in all


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

    `metrics` are the declarations by id; `unfinished` says of each run left out how far it is.
    """

    metrics: dict[str, Metric]
    runs: tuple[RunScores, ...]
    unfinished: tuple[str, ...]


def score_runs(
    ledgers: Sequence[Ledger],
    metrics: Sequence[str] | None = None,
    jobs: int | None = None,
    progress: Progress | None = None,
) -> Scores:
    """Score every finished run with the named metrics (ids or `file.py:name`; default: all).

    Raises:
        ClbenchError: a ledger is broken (the message names the file), two ledgers hold the same
            run, a metric is unknown, or a metric fails or returns a number that is not finite.
    """
    raise NotImplementedError
