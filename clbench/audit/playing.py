"""Playing planted faults beside their oracles, and scoring them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clbench.audit import faults
from clbench.audit.matrix import HONEST, Matrix, matrix
from clbench.bench import Bench
from clbench.errors import ClbenchError, listing
from clbench.grouping import score_groups
from clbench.groupscore import score_group
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.measure import load_group_metrics
from clbench.recipes import ORACLES, idle_control
from clbench.record import StreamRecord
from clbench.recorded import crowd_of_runs
from clbench.running import planned_record
from clbench.settings import Settings
from clbench.studying import make_runs, share_threads
from clbench.sweep import Cell, StreamChoice

FILE = faults.__file__


def audit(
    stream: StreamChoice,
    seeds: int,
    root: Path,
    processes: int,
    settings: Settings | None = None,
    names: Sequence[str] | None = None,
) -> Matrix:
    """Play every fault with `seeds` originals, twice as many oracles, and score them.

    Finished runs are kept, as those of a sweep. `names` are metrics of many models, by default all.

    Raises:
        ClbenchError: the stream does not learn and then forget, or a name is wrong, before any
            training; or a run broke.
    """
    metrics, _ = load_group_metrics(names)
    if len(metrics) < len(names or ()):
        raise ClbenchError(
            f"{listing(names or ())}: some are metrics of single runs; name those of many models"
        )
    plain = Cell(stream, ORACLES, 0, root, settings=settings or Settings())
    idle = idle_control(_forgetting(plain))
    controls = _play(plain, {ORACLES: range(2 * seeds), idle: range(seeds)}, processes)
    target = _forget_accuracy(controls[ORACLES])
    kinds = {fault: f"{FILE}:{kind.__name__}" for fault, kind in faults.FAULTS.items()}
    own = {kinds["head only"]: {"accuracy": target}}
    honest = f"{FILE}:{faults.Honest.__name__}"
    planted = _play(plain, {kind: range(seeds) for kind in kinds.values()}, processes, own)
    # seeds that no oracle has: the same originals would make the same models
    planted |= _play(plain, {honest: range(2 * seeds, 3 * seeds)}, processes)
    runs = [ledger for ledgers in (controls | planted).values() for ledger in ledgers]
    labelled = list(zip(runs, labels([ledger.record for ledger in runs]), strict=True))
    named = {fault: _label(planted[kind][0], labelled) for fault, kind in kinds.items()}
    named[HONEST] = _label(planted[honest][0], labelled)
    return matrix(score_groups(labelled, metrics), named, metrics)


def _forgetting(cell: Cell) -> StreamRecord:
    """The stream of a cell.

    Raises:
        ClbenchError: it does not learn and then forget.
    """
    record = planned_record(cell).stream
    kinds = [update.kind for update in record.updates]
    sets = [each.name for each in record.evals]
    if "forget" not in kinds or not {"retain", "test"} <= set(sets):
        raise ClbenchError(
            f"{record.name} has updates of kind {', '.join(dict.fromkeys(kinds))} and asks "
            f"{', '.join(sets[:5])}; faults are planted in streams that forget, such as "
            "forget-digits-random"
        )
    return record


def _play(
    plain: Cell,
    seeds: Mapping[str, range],
    processes: int,
    own: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, list[Ledger]]:
    """The runs of some methods, by the name that each was given."""
    cells = [
        replace(plain, method=name, seed=seed, hyperparameters=(own or {}).get(name, {}))
        for name, each in seeds.items()
        for seed in each
    ]
    lanes = min(processes, len(cells))
    outcomes = make_runs(share_threads(cells, lanes), lanes)
    if broken := [each for each in outcomes if each.path is None]:
        raise ClbenchError(
            f"{len(broken)} of {len(outcomes)} runs broke, the first with: {broken[0].error}"
        )
    found: dict[str, list[Ledger]] = {}
    for outcome in outcomes:
        assert outcome.path is not None
        found.setdefault(outcome.cell.method, []).append(Ledger(outcome.path))
    return found


def _forget_accuracy(oracles: Sequence[Ledger]) -> float:
    """What the head-only edit aims at."""
    metrics, _ = load_group_metrics(["forget_accuracy"])
    score = score_group(metrics["forget_accuracy"], crowd_of_runs(oracles), Bench(None))
    if score.value is None:
        raise ClbenchError(f"forget accuracy of the oracles cannot be measured: {score.why}")
    return round(score.value, 4)


def _label(ledger: Ledger, labelled: Sequence[tuple[Ledger, str]]) -> str:
    return next(label for each, label in labelled if each.path == ledger.path)
