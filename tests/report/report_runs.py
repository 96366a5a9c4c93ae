"""Runs whose tables and pictures can be worked out by hand."""

from pathlib import Path
from typing import Any

from clbench.ledger import Ledger
from clbench.record import StreamRecord
from clbench.score import Scores, score_runs
from fakes import answers, run_record, stream_record, write_run, write_version

# Each update learns two classes; a set is asked once it is learnt. The answer 5
# is wrong on the first two sets.
STREAM = stream_record()
CAREFUL = answers(
    STREAM, [], [0, 1, 0, 5], [0, 5, 5, 1, 2, 3, 2, 3], [0, 5, 0, 5, 2, 3, 5, 5, 4, 5, 4, 5]
)
PERFECT = answers(
    STREAM, [], [0, 1, 0, 1], [0, 1, 0, 1, 2, 3, 2, 3], [0, 1, 0, 1, 2, 3, 2, 3, 4, 5, 4, 5]
)
FORGETFUL = answers(STREAM, [], [0, 1, 0, 1], [2] * 4 + [2, 3, 2, 3], [4] * 8 + [4, 5, 4, 5])


def with_card(
    path: Path, *, stream: StreamRecord = STREAM, changes: dict[str, Any] | None = None, **card: Any
) -> Ledger:
    """A perfect run with a card as given; `changes` go to its record."""
    record, ledger = run_record(stream, **(changes or {})), Ledger(path)
    method = record.method.model_copy(update=card)
    ledger.begin(record.model_copy(update={"method": method}))
    for version, logits in enumerate(PERFECT):
        write_version(ledger, version, logits)
    return ledger


def joint(path: Path, seed: int) -> Ledger:
    """A control that was given past data."""
    card = {"name": "joint", "control": True, "granted": ("past",)}
    return with_card(path, changes={"seed": seed}, **card)


def study(root: Path) -> list[Ledger]:
    """Two methods and a control, over two seeds."""
    ledgers = []
    for seed in (0, 1):
        ledgers += [
            write_run(root / f"good{seed}", STREAM, PERFECT, method="good", seed=seed),
            write_run(root / f"bad{seed}", STREAM, FORGETFUL, method="bad", seed=seed),
            joint(root / f"joint{seed}", seed),
        ]
    return ledgers


def scored(root: Path, metrics: list[str] | None = None) -> Scores:
    """The study, scored."""
    return score_runs(study(root), metrics)
