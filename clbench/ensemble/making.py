"""Making a store, giving it room for more rows, and refusing one that is of something else."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from clbench.ensemble.npy import resize
from clbench.ensemble.store import COMPLETED, CONSTANT, SPEC, AnyArray, Field, Spec, Store
from clbench.errors import ClbenchError
from clbench.files import write_atomic, writing
from clbench.spec import flat

LOCK = ".lock"


def open_store(
    path: Path,
    spec: Spec,
    count: int,
    constants: Mapping[str, AnyArray] | None = None,
) -> Store:
    """The store at a path with room for `count` rows or more; made, or enlarged, if need be.

    Raises:
        ClbenchError: it is of something else, or the folder cannot be written.
    """
    store = Store(path)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)
        with _alone(path):
            if not (path / SPEC).exists():
                (path / f"{COMPLETED}.npy").unlink(missing_ok=True)  # of what, nothing tells
                for name, array in (constants or {}).items():
                    np.save(path / f"{CONSTANT}{name}.npy", array)
                _make_room(path, spec, count)
                write_atomic(path / SPEC, spec.model_dump_json(indent=2).encode())
            _check_same(store, spec)
            if count > len(store.completed):
                _make_room(path, spec, count)
            for name in spec.fields:
                store.read(name)  # a file that is cut off is refused before anything is trained
    return store


def check_identity(store: Store, wanted: Mapping[str, Any]) -> None:
    """Refuse a store that is of something else.

    Raises:
        ClbenchError: naming the first thing that differs.
    """
    found = dict(flat(store.spec.identity))
    for key, value in (right := dict(flat(wanted))).items():
        if found.get(key) != value:
            raise ClbenchError(
                f"{store.path} is of another ensemble: its {key} is {_short(found.get(key))}, not "
                f"{_short(value)}; give the folder of the right one, or a new one"
            )
    if more := sorted(found.keys() - right.keys()):
        raise ClbenchError(
            f"{store.path} is of another ensemble: it has {more[0]} {_short(found[more[0]])}; give "
            "the folder of the right one, or a new one"
        )


def _check_same(store: Store, spec: Spec) -> None:
    check_identity(store, spec.identity)
    if store.spec.fields != spec.fields:
        raise ClbenchError(f"{store.path} holds other fields; give a new folder")


def _make_room(path: Path, spec: Spec, count: int) -> None:
    """Files with room for so many rows; those that are there keep their rows.

    `_completed` comes last: it says how many rows there are.
    """
    fields = {**spec.fields, COMPLETED: Field((), "bool")}
    for name, field in fields.items():
        resize(path / f"{name}.npy", (count, *field.shape), np.dtype(field.dtype))


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    with open(path / LOCK, "a+") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _short(value: object) -> str:
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return text[:12] if len(text) == 64 and " " not in text else text
