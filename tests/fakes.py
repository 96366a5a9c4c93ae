"""Ledgers on disk from given logits, without training and without torch."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import numpy.typing as npt

from clbench.ledger import Ledger
from clbench.prediction import Asked, to_parquet
from clbench.record import EvalRecord, MethodRecord, RunRecord, StreamRecord, UpdateRecord

Array = npt.NDArray[Any]


def stream_record(
    classes: Sequence[Sequence[int]] = ((0, 1), (2, 3), (4, 5)),
    sizes: Sequence[int] = (4, 4, 4),
    since: Sequence[int] | None = None,
    splits: Sequence[str] | None = None,
    setting: str = "class-incremental",
    **changes: Any,
) -> StreamRecord:
    """A stream whose update e learns classes[e] and whose set e asks sizes[e] samples of them."""
    since = since or [e + 1 for e in range(len(sizes))]
    splits = splits or ["test"] * len(sizes)
    width = 1 + max(label for each in classes for label in each)
    values: dict[str, Any] = {
        "name": "fake",
        "fingerprint": "f" * 64,
        "source": "fake",
        "source_fingerprint": "0" * 64,
        "protocol": {"setting": setting},
        "class_names": tuple(str(label) for label in range(width)),
        "updates": tuple(
            UpdateRecord(index=i, kind="learn", samples=10, classes=tuple(each), task=None)
            for i, each in enumerate(classes)
        ),
        "evals": tuple(
            EvalRecord(name=f"set {e}", split=splits[e], samples=n, since=since[e], classes=each)  # type: ignore[arg-type]
            for e, (n, each) in enumerate(zip(sizes, classes, strict=True))
        ),
    }
    return StreamRecord(**(values | changes))


def run_record(stream: StreamRecord, **changes: Any) -> RunRecord:
    """A run of the method `fake`, or as changed; `method`, `control` and `code` go to its card."""
    card = {"name": changes.pop("method", "fake"), "control": changes.pop("control", False)}
    card |= {"code": changes.pop("code", "c" * 64), "family": "", "paper": "", "granted": ()}
    values: dict[str, Any] = {
        "stream": stream,
        "method": MethodRecord(**card),
        "hyperparameters": {},
        "seed": 0,
        "form": "compact",
        "carry": True,
        "device": "cpu",
        "precision": "float32",
        "threads": 1,
        "environment": {},
    }
    return RunRecord(**(values | changes))


def labels_of(stream: StreamRecord) -> Array:
    """[n] labels of all questions: the classes of each set in turn."""
    return np.concatenate([np.resize(each.classes, each.samples) for each in stream.evals])


def answers(stream: StreamRecord, *versions: Sequence[int]) -> list[Array]:
    """Logits [n_v, C] of versions that give these answers, version 0 first."""
    width = len(stream.class_names)
    return [np.eye(width, dtype=np.float32)[np.asarray(each, dtype=np.int64)] for each in versions]


def write_version(
    ledger: Ledger, version: int, logits: Array, cost: dict[str, Any] | None = None
) -> None:
    """Write one version that answered with `logits` [n_v, C] to all questions put to it."""
    stream = ledger.record.stream
    asked = [each.samples if each.since <= version else 0 for each in stream.evals]
    n = sum(asked)
    kind = np.repeat(np.arange(len(asked)), asked)
    label = labels_of(stream)[:n]
    cost = {**COST, **(cost or {})}
    ledger.write(
        version,
        {
            "predictions.parquet": to_parquet(
                Asked(kind, np.arange(n), label), logits, ledger.record.form
            ),
            "cost.json": json.dumps({k: v for k, v in cost.items() if k in COST_KEYS}).encode(),
            "clock.json": json.dumps({k: v for k, v in cost.items() if k in CLOCK_KEYS}).encode(),
        },
    )


COST: dict[str, Any] = {
    "flops_learn": 100,
    "flops_predict": 10,
    "state_bytes": 40,
    "state_parts": {"model": 40},
    "samples_seen": 10,
    "steps": 1,
    "learn_seconds": 0.5,
    "predict_seconds": 0.25,
    "peak_memory_bytes": 1000,
}
CLOCK_KEYS = ("learn_seconds", "predict_seconds", "peak_memory_bytes")
COST_KEYS = tuple(key for key in COST if key not in CLOCK_KEYS)


def write_run(path: Path, stream: StreamRecord, logits: Sequence[Array], **changes: Any) -> Ledger:
    """A run with one version for each of `logits`; `changes` go to its record."""
    ledger = Ledger(path)
    with patch("os.fsync"):  # a fake need not survive a loss of power, and syncing is slow
        ledger.begin(run_record(stream, **changes))
        for version, each in enumerate(logits):
            write_version(ledger, version, each)
    return ledger


def random_run(
    path: Path, stream: StreamRecord, skill: float = 0.7, rng: int = 0, **changes: Any
) -> Ledger:
    """A finished run that is right with probability `skill`, else answers at random."""
    generator = np.random.default_rng(rng)
    labels, width = labels_of(stream), len(stream.class_names)
    versions = []
    for version in range(len(stream.updates) + 1):
        n = sum(each.samples for each in stream.evals if each.since <= version)
        logits = generator.normal(size=(n, width)).astype(np.float32)
        right = generator.random(n) < skill
        logits[np.flatnonzero(right), labels[:n][right]] += 10
        versions.append(logits)
    return write_run(path, stream, versions, **changes)
