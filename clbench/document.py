"""A stream as a file: index arrays in safetensors, the rest as JSON in its header."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load, save

from clbench.errors import ClbenchError
from clbench.files import write_atomic
from clbench.source.base import IntArray
from clbench.spec import parse_spec
from clbench.stream import SCHEMA_VERSION, EvalSet, Kind, Protocol, SplitName, Stream, Update

SUFFIX = ".safetensors"
Natural = Annotated[int, Field(ge=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _Update(_Part):
    kind: Kind
    task: Natural | None


class _EvalSet(_Part):
    name: str
    split: SplitName
    since: Natural


class _Head(_Part):
    schema_version: int
    fingerprint: str
    name: str
    source: str
    protocol: dict[str, Any]
    labels: str
    updates: tuple[_Update, ...]
    evals: tuple[_EvalSet, ...]


def stream_bytes(stream: Stream) -> bytes:
    """A stream as the bytes of its file; the same stream gives the same bytes."""
    head = _Head(
        schema_version=SCHEMA_VERSION,
        fingerprint=stream.fingerprint,
        name=stream.name,
        source=str(stream.source),
        protocol=vars(stream.protocol),
        labels=stream.labels,
        updates=tuple(_Update(kind=u.kind, task=u.task) for u in stream.updates),
        evals=tuple(_EvalSet(name=e.name, split=e.split, since=e.since) for e in stream.evals),
    )
    arrays = {"class_order": stream.class_order}
    for i, update in enumerate(stream.updates):
        arrays |= {f"updates/{i}/samples": update.samples, f"updates/{i}/classes": update.classes}
        if update.retained is not None:
            arrays[f"updates/{i}/retained"] = update.retained
    for i, each in enumerate(stream.evals):
        arrays |= {f"evals/{i}/samples": each.samples, f"evals/{i}/classes": each.classes}
    return save(arrays, metadata={"stream": head.model_dump_json()})


def write_stream(stream: Stream, path: Path) -> None:
    """Write a stream to a file, whole or not at all."""
    write_atomic(path, stream_bytes(stream))


def read_stream(path: Path) -> Stream:
    """Read a stream from a file.

    Raises:
        ClbenchError: it is no stream of this schema, or was altered: its fingerprint differs.
    """
    try:
        with safe_open(path, "np") as file:
            text = (file.metadata() or {}).get("stream", "")
        head = _Head.model_validate_json(text)
        stream = _joined(head, load(path.read_bytes()))
    except FileNotFoundError:
        raise ClbenchError(f"stream file {path} does not exist") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "header"
        raise ClbenchError(f"{path}: {field}: {first['msg']}; write the stream again") from None
    except (SafetensorError, KeyError) as error:
        raise ClbenchError(f"{path} is not a stream: {error}; write it again") from None
    if head.schema_version != SCHEMA_VERSION:
        raise ClbenchError(f"{path} has schema {head.schema_version}; need {SCHEMA_VERSION}")
    if stream.fingerprint != head.fingerprint:
        raise ClbenchError(f"{path} was altered: its fingerprint differs; write it again")
    return stream


def _joined(head: _Head, arrays: dict[str, IntArray]) -> Stream:
    for name, array in arrays.items():
        if array.dtype != np.int64 or array.ndim != 1:
            raise KeyError(f"{name} is {array.dtype} {array.shape}, not int64 [n]")
    return Stream(
        name=head.name,
        source=parse_spec(head.source),
        class_order=arrays["class_order"],
        updates=tuple(
            Update(
                i,
                each.kind,
                arrays[f"updates/{i}/samples"],
                arrays[f"updates/{i}/classes"],
                each.task,
                arrays.get(f"updates/{i}/retained"),
            )
            for i, each in enumerate(head.updates)
        ),
        evals=tuple(
            EvalSet(
                each.name,
                each.split,
                arrays[f"evals/{i}/samples"],
                each.since,
                arrays[f"evals/{i}/classes"],
            )
            for i, each in enumerate(head.evals)
        ),
        protocol=TypeAdapter(Protocol).validate_python(head.protocol),
        labels=head.labels,
    )
