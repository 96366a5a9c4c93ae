"""Runs of a stream that forgets, from given margins: no training, no torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from clbench.crowd import Crowd
from clbench.given import ArrayAnswers
from clbench.ledger import Ledger
from clbench.record import EvalRecord, StreamRecord, UpdateRecord
from clbench.relearnt import Attacks
from fakes import Array, labels_of, stream_record, write_run

SIZES = {"forget": 6, "retain": 8, "test": 10}
SPLITS = {"forget": "train", "retain": "train", "test": "test", "test-forgotten": "test"}


def forgetting(sizes: dict[str, int] | None = None, **changes: Any) -> StreamRecord:
    """A stream of two classes that learns 14 samples and is asked to forget some."""
    evals = tuple(
        EvalRecord(
            name=name,
            split=SPLITS.get(name, "train"),  # type: ignore[arg-type]
            samples=n,
            since=1,
            classes=(0, 1),
        )
        for name, n in (sizes or SIZES).items()
    )
    kinds = changes.pop("kinds", ("learn", "forget"))
    updates = tuple(
        UpdateRecord(
            index=i, kind=kind, samples=14 if kind == "learn" else 6, classes=(0, 1), task=None
        )
        for i, kind in enumerate(kinds)
    )
    record = stream_record([(0, 1)] * len(evals), list((sizes or SIZES).values()))
    return record.model_copy(update={"updates": updates, "evals": evals, **changes})


STREAM = forgetting()


def with_margins(stream: StreamRecord, margins: Array) -> Array:
    """Logits [n, 2] that have these margins [n]."""
    logits = np.zeros((len(margins), 2), dtype=np.float32)
    logits[np.arange(len(margins)), labels_of(stream)] = margins
    return logits


def write_crowd(
    root: Path,
    method: str,
    versions: Sequence[Array],
    stream: StreamRecord = STREAM,
    **changes: Any,
) -> list[Ledger]:
    """N runs from the margins [N, n] of version 1, 2, ..; seeds 0 .. N - 1."""
    first = changes.pop("first_seed", 0)
    empty = np.zeros((0, 2), dtype=np.float32)
    return [
        write_run(
            root / f"{method}-{first + i}",
            stream,
            [empty, *(with_margins(stream, margins[i]) for margins in versions)],
            method=method,
            seed=first + i,
            control=method in ("retrain", "do_nothing"),
            **changes,
        )
        for i in range(len(versions[0]))
    ]


def array_crowd(
    label: str,
    unlearned: Array,
    original: Array | None = None,
    stream: StreamRecord = STREAM,
    first_seed: int = 0,
    costs: dict[str, Array] | None = None,
    attacks: Attacks | None = None,
) -> Crowd:
    """A crowd in memory; right answers are those with a margin above 0."""
    labels, n = labels_of(stream), sum(each.samples for each in stream.evals)
    columns = {2: _columns(unlearned, labels)}
    columns |= {1: _columns(original, labels)} if original is not None else {}
    seeds = list(range(first_seed, first_seed + len(unlearned)))
    answers = ArrayAnswers(np.arange(n), labels, columns, costs, attacks)
    return Crowd(label, stream, seeds, answers)


def _columns(margins: Array, labels: Array) -> dict[str, Array]:
    return {
        "margin": margins.astype(np.float32),
        "predicted": np.where(margins > 0, labels, 1 - labels),
    }


def gaussian(
    models: int,
    shift: float = 0.0,
    seed: int = 0,
    stream: StreamRecord = STREAM,
    only: str = "",
    spread: float = 1.0,
) -> Array:
    """Margins [models, n] around 2, each point with the same spread; `only` one set is shifted."""
    n = sum(each.samples for each in stream.evals)
    margins = 2 + spread * np.random.default_rng(seed).normal(size=(models, n))
    start = 0
    for each in stream.evals:
        if only in ("", each.name):
            margins[:, start : start + each.samples] += shift
        start += each.samples
    return margins
