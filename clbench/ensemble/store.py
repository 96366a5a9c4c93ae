"""Arrays of rows on disk: one file a field, rows written by index, complete or not there.

    spec.json         what the rows are of (identity), names, shapes and dtypes of the fields
    <field>.npy       [rows, ...], a plain numpy file; open with mmap_mode="r"
    const.<name>.npy  what is the same for all rows, such as the ids that margins are of
    _completed.npy    [rows] bool: a row counts once this says so

A row is marked complete after its data are on the disk, so a cut in the middle loses the rows in
flight and no other. Processes that write different rows do not disturb each other.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, ValidationError

from clbench.ensemble.npy import data_start
from clbench.errors import ClbenchError
from clbench.files import writing

AnyArray = npt.NDArray[Any]
SPEC, COMPLETED, CONSTANT = "spec.json", "_completed", "const."


class Field(NamedTuple):
    """The shape and dtype of one row of a field."""

    shape: tuple[int, ...]
    dtype: str


class Spec(BaseModel):
    """The contents of `spec.json`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    schema_version: int = 1
    identity: dict[str, Any]
    fields: dict[str, Field]
    about: dict[str, Any] = {}  # for readers; decides nothing

    @property
    def fingerprint(self) -> str:
        """SHA-256 of what the rows are of."""
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Store:
    """A folder of arrays, for reading and writing."""

    path: Path

    @cached_property
    def spec(self) -> Spec:
        """The contents of `spec.json`.

        Raises:
            ClbenchError: there is none, or it is damaged.
        """
        file = self.path / SPEC
        try:
            return Spec.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise ClbenchError(
                f"{self.path} is no store of an ensemble: it has no {SPEC}; make one with "
                "clbench ensemble"
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(map(str, first["loc"])) or "the whole file"
            raise ClbenchError(f"{file}: {where}: {first['msg']}; make the store anew") from None

    @property
    def completed(self) -> npt.NDArray[np.bool_]:
        """[rows], a copy as of now."""
        return np.array(self._open(COMPLETED))

    def read(self, field: str) -> AnyArray:
        """All rows of a field [rows, ...], mapped; those that are not complete hold anything."""
        if field not in self.spec.fields:
            known = ", ".join(self.spec.fields)
            raise ClbenchError(f"{self.path} has no field {field!r}; it has {known}")
        return self._open(field)

    def constant(self, name: str) -> AnyArray:
        """What is the same for all rows."""
        return self._open(CONSTANT + name)

    def write(self, indices: Sequence[int], rows: Mapping[str, AnyArray]) -> None:
        """Write rows [len(indices), ...] of every field, and then mark them complete.

        Raises:
            ClbenchError: fields are missing, or have other shapes or dtypes than the spec says.
        """
        self._check(len(indices), rows)
        with writing(self.path):
            for name in self.spec.fields:
                self._put(name, indices, np.ascontiguousarray(rows[name]))
            self._put(COMPLETED, indices, np.ones(len(indices), np.bool_))

    def _put(self, name: str, indices: Sequence[int], rows: AnyArray) -> None:
        # Written at its place, not through a map: pages of a map are shared with other writers,
        # which a network file system does not keep apart.
        descriptor = os.open(self._file(name), os.O_RDWR)
        try:
            start = data_start(descriptor)
            for index, row in zip(indices, rows, strict=True):
                os.pwrite(descriptor, row.tobytes(), start + index * row.nbytes)
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def _check(self, count: int, rows: Mapping[str, AnyArray]) -> None:
        for name, field in self.spec.fields.items():
            found = None if name not in rows else (rows[name].shape, str(rows[name].dtype))
            if found != (wanted := ((count, *field.shape), field.dtype)):
                raise ClbenchError(f"{self.path}: rows of {name} are {found}; need {wanted}")

    def _file(self, name: str) -> Path:
        return self.path / f"{name}.npy"

    def _open(self, name: str) -> AnyArray:
        try:
            array: AnyArray = np.load(self._file(name), mmap_mode="r", allow_pickle=False)
            return array
        except (OSError, ValueError) as error:
            raise ClbenchError(
                f"{self._file(name)} cannot be read: {error}; restore it, or make the store anew"
            ) from None
