"""What a run's `run.json` says, and where the run is kept."""

import hashlib
import inspect
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter

from clbench.card import Card
from clbench.ensemble.starting import starts_of
from clbench.environment import environment
from clbench.errors import ClbenchError
from clbench.grants import beyond
from clbench.method import Method, make_method
from clbench.possible import check_device, check_plays, check_probes
from clbench.record import (
    EvalRecord,
    MethodRecord,
    RunRecord,
    StreamRecord,
    TuningRecord,
    UpdateRecord,
)
from clbench.relearnfile import RECIPE
from clbench.relearning.attacker import check_relearn
from clbench.settings import Settings
from clbench.source.base import Source
from clbench.stream import Stream


def run_record(
    stream: Stream,
    source: Source,
    kind: type[Method],
    hyperparameters: Mapping[str, Any],
    seed: int,
    settings: Settings,
    tuning: TuningRecord | None = None,
) -> RunRecord:
    """The record of a run, every hyperparameter resolved.

    Raises:
        ClbenchError: a hyperparameter is wrong, or the method cannot play the stream.
    """
    method = make_method(kind, hyperparameters)
    card = method.declared()
    check_plays(card, stream)
    check_probes(settings.probe_every, stream)
    if settings.relearn:
        check_relearn(stream, kind)
    check_device(settings.device)
    return RunRecord(
        stream=_stream_record(stream, source),
        method=_method_record(kind, card, stream),
        hyperparameters=TypeAdapter(kind).dump_python(method, mode="json"),
        tuning=tuning,
        seed=seed,
        form=settings.form,
        carry=_carry(kind, settings),
        probe_every=settings.probe_every,
        relearn=RECIPE if settings.relearn else None,
        layers=settings.layers,
        device=settings.device,
        precision=settings.precision,
        stores=starts_of(method, stream, source, seed, settings).records,
        threads=settings.threads or torch.get_num_threads(),
        environment=environment(),
    )


def run_path(root: Path, record: RunRecord) -> Path:
    """The folder of a run: readable names, and the key of the cell so that cells never collide."""
    names = [_safe(record.stream.name), _safe(record.method.name)]
    return root.joinpath(*names, f"seed{record.seed}-{record.key[:10]}")


def _carry(kind: type[Method], settings: Settings) -> bool:
    """Whether the method is made anew after updates: where it can be, unless that is chosen."""
    if settings.carry and not kind.remade:
        raise ClbenchError(
            f"{kind.card.name} cannot be made anew from its state, as --carry asks: it holds more "
            "than tensors and plain values; leave --carry out, and its runs are marked"
        )
    return kind.remade if settings.carry is None else settings.carry


def _stream_record(stream: Stream, source: Source) -> StreamRecord:
    return StreamRecord(
        name=stream.name,
        fingerprint=stream.fingerprint,
        source=str(source.spec),
        source_fingerprint=source.fingerprint,
        protocol=asdict(stream.protocol),
        class_names=tuple(source.classes[c] for c in stream.class_order),
        updates=tuple(
            UpdateRecord(
                index=u.index,
                kind=u.kind,
                samples=len(u.samples),
                classes=tuple(u.classes.tolist()),
                task=u.task,
            )
            for u in stream.updates
        ),
        evals=tuple(
            EvalRecord(
                name=e.name,
                split=e.split,
                samples=len(e.samples),
                since=e.since,
                classes=tuple(e.classes.tolist()),
            )
            for e in stream.evals
        ),
    )


def _method_record(kind: type[Method], card: Card, stream: Stream) -> MethodRecord:
    return MethodRecord(
        name=card.name,
        family=card.family,
        paper=card.paper,
        control=card.control,
        granted=beyond(card, stream),
        needs=card.needs,
        stores=card.stores,
        passes=card.passes,
        code=_code_digest(kind),
    )


def _code_digest(kind: type[Method]) -> str:
    """SHA-256 of the files of a method and the methods it derives from: other code, other runs."""
    lineage = [each for each in kind.__mro__ if issubclass(each, Method) and each is not Method]
    try:
        files = dict.fromkeys(Path(inspect.getfile(each)) for each in lineage)
        return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    except (TypeError, OSError):
        raise ClbenchError(
            f"method {kind.card.name} is not defined in a file; put its class into one, so that "
            "its runs can be told from those of other code"
        ) from None


def _safe(name: str) -> str:
    return re.sub(r"[^\w.-]+", "_", name) or "_"
