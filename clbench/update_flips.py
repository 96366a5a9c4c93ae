"""How the answers of each set-up changed at each update, over all of its seeds.

Beside the flips of an update stand those between seeds of the newer version: models that differ in
nothing that anyone chose. An update whose negative flips are no more than that broke nothing.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.metric.flip_table import FlipTable, pooled
from clbench.metric.graded import TIE, GradedFlips, graded_flips, seed_noise
from clbench.score import split_finished
from clbench.statistics import Interval, mean_interval


@dataclass(frozen=True)
class UpdateFlips:
    """What the update that makes `version` changed, on what the version before it had learnt.

    `flips` and `graded` are sums over seeds, and `interval` is the 95 % interval over seeds of the
    negative flip rate. `noise` is the negative flip rate between seeds of the newer version, on the
    same samples, `graded_noise` that of graded scores. These are None below two seeds.
    """

    version: int
    kind: str
    flips: FlipTable
    graded: GradedFlips
    interval: Interval | None
    noise: float | None
    graded_noise: float | None

    def record(self) -> dict[str, Any]:
        """All counts and rates as JSON-ready values; null where one is not defined."""
        rates = {name: _defined(self.flips, name) for name in RATES}
        grades = {name: _defined(self.graded, name) for name in GRADES}
        return {**asdict(self), "rates": rates, "graded_rates": grades, "tie": TIE}


RATES = (
    "negative_flip_rate",
    "positive_flip_rate",
    "negative_flip_rate_bounds",
    "relative_negative_flip_rate",
    "relative_positive_flip_rate",
    "negative_flip_impact",
    "positive_flip_impact",
    "win_loss_ratio",
    "negative_flip_rate_mc",
    "churn",
    "backward_trust_compatibility",
    "backward_error_compatibility",
    "accuracy_change",
)
GRADES = ("negative_flip_rate", "positive_flip_rate", "mean_gain", "mean_regression")


@dataclass(frozen=True)
class SetupFlips:
    """The updates of a set-up on a stream that had something to lose."""

    stream: str
    label: str
    seeds: tuple[int, ...]
    updates: tuple[UpdateFlips, ...]


def flips_of_setups(ledgers: Sequence[Ledger]) -> tuple[tuple[SetupFlips, ...], tuple[str, ...]]:
    """The flips of each set-up, and a sentence about each run or set-up that is left out.

    Raises:
        ClbenchError: a ledger is broken, or two are of one set-up and seed.
    """
    finished, left_out = split_finished(ledgers)
    setups: dict[tuple[str, str, str], list[Ledger]] = defaultdict(list)
    for ledger, label in zip(finished, labels([each.record for each in finished]), strict=True):
        stream = ledger.record.stream
        setups[stream.fingerprint, stream.source_fingerprint, label].append(ledger)
    found, sentences = [], list(left_out)
    for (*_, label), runs in setups.items():
        try:
            found.append(_setup(label, runs))
        except NotMeasured as reason:
            sentences.append(f"{label} on {runs[0].record.stream.name}: {reason}")
    return tuple(sorted(found, key=lambda each: (each.stream, each.label))), tuple(sentences)


def _setup(label: str, ledgers: Sequence[Ledger]) -> SetupFlips:
    ledgers = sorted(ledgers, key=lambda ledger: ledger.record.seed)
    stream = ledgers[0].record.stream
    runs = [Evidence(ledger) for ledger in ledgers]
    updates = [_update(runs, each.index, each.kind) for each in stream.updates]
    seeds = _seeds(label, ledgers)
    return SetupFlips(stream.name, label, seeds, tuple(u for u in updates if u.flips.n))


def _seeds(label: str, ledgers: Sequence[Ledger]) -> tuple[int, ...]:
    for one, other in pairwise(ledgers):
        if one.record.seed == other.record.seed:
            raise ClbenchError(
                f"{one.path} and {other.path} are the same run ({label}, seed "
                f"{one.record.seed}); leave one out"
            )
    return tuple(ledger.record.seed for ledger in ledgers)


def _update(runs: Sequence[Evidence], old: int, kind: str) -> UpdateFlips:
    """From version `old` to the next, of all runs."""
    rows, new = np.flatnonzero(runs[0].known[old]), old + 1
    tables = [run.flips_between(old, new) for run in runs]
    right = np.stack([run.correct[new][rows] for run in runs]).astype(np.float64)
    sure = np.stack([run.right_probability[new][rows] for run in runs])
    before = [run.right_probability[old][rows] for run in runs]
    graded = [graded_flips(a, b, TIE) for a, b in zip(before, sure, strict=True)]
    many = len(runs) > 1 and len(rows) > 0
    rates = [each.negative_flip_rate for each in tables] if many else []
    return UpdateFlips(
        new,
        kind,
        pooled(tables),
        sum(graded, GradedFlips()),
        mean_interval(rates) if many else None,
        seed_noise(right, TIE) if many else None,
        seed_noise(sure, TIE) if many else None,
    )


def _defined(of: FlipTable | GradedFlips, name: str) -> Any:
    try:
        return getattr(of, name)
    except NotMeasured:
        return None
