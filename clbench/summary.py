"""Scores of runs to one row a stream and set-up: means over seeds, intervals, the best, its ties."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clbench.score import Scores


@dataclass(frozen=True)
class Cell:
    """One metric over the seeds of a row.

    `n` seeds have a value; `mean` is None where none has. `low` and `high` are the 95 % t interval
    of the mean, None below two values. `best`: the best mean among the methods that are no
    control. `tied`: not told apart from the best at 5 % (or too few shared seeds to tell). `why`
    says what is missing, in a sentence; empty if nothing is.
    """

    n: int
    mean: float | None
    low: float | None
    high: float | None
    why: str
    best: bool = False
    tied: bool = False


@dataclass(frozen=True)
class Row:
    """A set-up on a stream: a method with its hyperparameters, over seeds."""

    stream: str  # name, with a short fingerprint where two streams share it
    label: str  # as in RunScores
    control: bool
    seeds: tuple[int, ...]
    cells: dict[str, Cell]  # by metric id


def summarise(scores: Scores) -> list[Row]:
    """One row a stream and set-up, methods before controls, each in the order of their labels."""
    raise NotImplementedError


def to_records(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON-ready values."""
    raise NotImplementedError
