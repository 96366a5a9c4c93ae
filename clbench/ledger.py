"""The ledger: the recorded evidence of one run, as a folder.

    stream.safetensors       the stream: ids, evaluation sets, protocol
    run.json                 what was run: stream, method, hyperparameters, seed, environment
    versions/000/            the model before any update; then one folder an update
        predictions.parquet  answers on the evaluation samples
        trace.parquet        answers inside the update, if it was probed
        original.json, relearn.json  what attacks bring back of what was forgotten, if asked for
        embeddings.safetensors, state.safetensors, state.json
        layers.safetensors   outputs of named layers on the samples of the embeddings, if asked for
        cost.json            what is the same in every run: FLOPs, state bytes, samples seen
        clock.json           what is not: seconds, peak memory
        manifest.json        size and SHA-256 of each file above

A version is written under a temporary name and renamed when whole, so a kill loses at most the
update in flight. Reading checks every file against the manifest.
"""

import json
import os
import shutil
from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from clbench.errors import ClbenchError
from clbench.files import partial_name, sync_folder, write_atomic, write_together, writing
from clbench.lock import Pulse, held, share_done
from clbench.record import RunRecord
from clbench.seal import MANIFEST, SEALS, Seal, seal

STREAM = "stream.safetensors"
DECISIVE: dict[
    str, Any
] = {  # of what is recorded: where it differs, a run is not the one that was begun
    "stream": {"fingerprint", "source_fingerprint"},
    "method": {"name", "code"},
    "hyperparameters": True,
    "tuning": {"trials", "objective", "fingerprint", "on_test"},
    "seed": True,
    "form": True,
    "carry": True,
    "probe_every": True,
    "relearn": True,
    "layers": True,
    "stores": True,
    "precision": True,
}


@dataclass(frozen=True)
class Ledger:
    """A run's folder, for reading and writing."""

    path: Path

    @cached_property
    def record(self) -> RunRecord:
        """The contents of `run.json`, validated."""
        file = self.path / "run.json"
        try:
            return RunRecord.model_validate_json(file.read_bytes())
        except FileNotFoundError:
            raise ClbenchError(f"{self.path} is not a ledger: it has no run.json") from None
        except ValidationError as error:
            raise ClbenchError(f"{file}: {_complaint(error)}; restore it or rerun") from error

    @property
    def versions(self) -> int:
        """How many versions are whole: 0, 1, ... without a gap."""
        count = 0
        while (self.folder(count) / MANIFEST).is_file():
            count += 1
        return count

    @property
    def finished(self) -> bool:
        """Whether every update of the stream has been played."""
        return self.versions == len(self.record.stream.updates) + 1

    def folder(self, version: int) -> Path:
        """Where a version is kept."""
        return self.path / "versions" / f"{version:03d}"

    def begin(self, record: RunRecord, beside: Mapping[str, bytes] | None = None) -> None:
        """Write `run.json`, after the files beside it; clear what a killed writer left.

        A run that was begun before keeps the files that it has.

        Raises:
            ClbenchError: `run.json` is of another run, or a version is not whole though a later
                one exists, or the folder cannot be written.
        """
        file = self.path / "run.json"
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            for leftover in self.path.glob("versions/.writing-*"):
                shutil.rmtree(leftover)
            for name in ("run.json", *(beside or {})):
                for leftover in self.path.glob(partial_name(self.path / name, "*")):
                    leftover.unlink()
            if not file.exists():
                for name, data in (beside or {}).items():
                    write_atomic(self.path / name, data)
                write_atomic(file, record.model_dump_json(indent=2).encode())
        self._check_continues(record)

    def _check_continues(self, record: RunRecord) -> None:
        """Refuse to add to evidence that was altered."""
        if field := _first_difference(_decisive(self.record), _decisive(record)):
            raise ClbenchError(
                f"{self.path / 'run.json'}: {field} is not that of this run; restore the file, "
                "or remove the folder and rerun"
            )
        whole = self.versions
        later = sorted(
            p.name
            for p in self.path.glob("versions/*")
            if p.name.isdecimal() and int(p.name) >= whole
        )
        if later:
            raise ClbenchError(
                f"{self.folder(whole)} is not whole, but {later[-1]} exists; restore it, "
                f"or remove {self.folder(whole).name} and later versions and rerun"
            )

    def write(self, version: int, files: Mapping[str, bytes]) -> None:
        """Write all files of a version; it exists only once it is whole.

        Raises:
            ClbenchError: the disk is full, or the folder cannot be written; nothing is left.
        """
        target = self.folder(version)
        partial = target.parent / f".writing-{target.name}"
        manifest = {name: seal(data) for name, data in sorted(files.items())}
        try:
            with writing(target):
                partial.mkdir(parents=True)
                sealed = {MANIFEST: SEALS.dump_json(manifest, indent=2)}
                write_together(partial, {**files, **sealed})
                sync_folder(partial)
                os.rename(partial, target)
                sync_folder(target.parent)
        finally:
            shutil.rmtree(partial, ignore_errors=True)

    def read(self, version: int, name: str) -> bytes:
        """A file of a version, checked against its manifest.

        Raises:
            ClbenchError: it is missing, truncated or altered.
        """
        file = self.folder(version) / name
        remedy = f"restore it, or remove {self.folder(version).name} and later versions and rerun"
        seals = self._seals(version, remedy)
        try:
            expected, data = seals[name], file.read_bytes()
        except (FileNotFoundError, KeyError):
            raise ClbenchError(f"{file} is missing; {remedy}") from None
        if len(data) != expected.bytes:
            raise ClbenchError(f"{file} has {len(data)} bytes, not {expected.bytes}; {remedy}")
        if seal(data) != expected:
            raise ClbenchError(f"{file} was altered (its SHA-256 differs); {remedy}")
        return data

    def read_json(self, version: int, name: str) -> dict[str, Any]:
        """A JSON file of a version, checked against its manifest."""
        content: dict[str, Any] = json.loads(self.read(version, name))
        return content

    def _seals(self, version: int, remedy: str) -> dict[str, Seal]:
        file = self.folder(version) / MANIFEST
        try:
            return SEALS.validate_json(file.read_bytes())
        except FileNotFoundError:
            raise ClbenchError(f"{file} is missing; {remedy}") from None
        except ValidationError as error:
            raise ClbenchError(f"{file}: {_complaint(error)}; {remedy}") from error

    def lock(self) -> AbstractContextManager[Pulse]:
        """Hold the run for writing; a second process gets an error at once."""
        return held(self.path)

    @property
    def progress(self) -> float:
        """Versions that are whole, and the share of the update in flight that is done."""
        return self.versions + share_done(self.path)


def _decisive(record: RunRecord) -> dict[str, Any]:
    return record.model_dump(mode="json", include=DECISIVE)


def _first_difference(one: Mapping[str, Any], two: Mapping[str, Any]) -> str:
    """The dotted name of the first field in which two nested tables differ; empty if none does."""
    for key in sorted({*one, *two}):
        mine, other = one.get(key), two.get(key)
        if isinstance(mine, Mapping) and isinstance(other, Mapping):
            if inner := _first_difference(mine, other):
                return f"{key}.{inner}"
        elif mine != other:
            return key
    return ""


def _complaint(error: ValidationError) -> str:
    """The field of a file and what is wrong with it."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc'])) or 'the whole file'}: {first['msg']}"
