"""The ledger: the recorded evidence of one run, as a folder.

    stream.safetensors       the stream: ids, evaluation sets, protocol
    run.json                 what was run: stream, method, hyperparameters, seed, environment
    versions/000/            the model before any update; then one folder an update
        predictions.parquet  answers on the evaluation samples
        embeddings.safetensors, state.safetensors, state.json
        cost.json            what is the same in every run: FLOPs, state bytes, samples seen
        clock.json           what is not: seconds, peak memory
        manifest.json        size and SHA-256 of each file above

A version is written under a temporary name and renamed when whole, so a kill loses at most the
update in flight. Reading checks every file against the manifest.
"""

import fcntl
import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from clbench.errors import ClbenchError
from clbench.files import partial_name, sync_folder, write_atomic, write_together, writing
from clbench.record import RunRecord

MANIFEST = "manifest.json"
STREAM = "stream.safetensors"
CLOCK = "clock.json"
LOCK = ".lock"
DECISIVE: dict[
    str, Any
] = {  # of what is recorded: where it differs, a run is not the one that was begun
    "stream": {"fingerprint", "source_fingerprint"},
    "method": {"name", "code"},
    "hyperparameters": True,
    "seed": True,
    "form": True,
    "carry": True,
    "precision": True,
}


class Seal(BaseModel):
    """What a manifest says of a file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    bytes: int
    sha256: str


_SEALS = TypeAdapter(dict[str, Seal])


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
        manifest = {name: _seal(data) for name, data in sorted(files.items())}
        try:
            with writing(target):
                partial.mkdir(parents=True)
                sealed = {MANIFEST: _SEALS.dump_json(manifest, indent=2)}
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
            seal, data = seals[name], file.read_bytes()
        except (FileNotFoundError, KeyError):
            raise ClbenchError(f"{file} is missing; {remedy}") from None
        if len(data) != seal.bytes:
            raise ClbenchError(f"{file} has {len(data)} bytes, not {seal.bytes}; {remedy}")
        if _seal(data) != seal:
            raise ClbenchError(f"{file} was altered (its SHA-256 differs); {remedy}")
        return data

    def read_json(self, version: int, name: str) -> dict[str, Any]:
        """A JSON file of a version, checked against its manifest."""
        content: dict[str, Any] = json.loads(self.read(version, name))
        return content

    def _seals(self, version: int, remedy: str) -> dict[str, Seal]:
        file = self.folder(version) / MANIFEST
        try:
            return _SEALS.validate_json(file.read_bytes())
        except FileNotFoundError:
            raise ClbenchError(f"{file} is missing; {remedy}") from None
        except ValidationError as error:
            raise ClbenchError(f"{file}: {_complaint(error)}; {remedy}") from error

    @contextmanager
    def lock(self) -> Iterator["Pulse"]:
        """Hold the run for writing; a second process gets an error at once.

        What it yields tells others how far the update in flight is.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            handle = open(self.path / LOCK, "a+")  # noqa: SIM115 - closed below
        with handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ClbenchError(
                    f"{self.path} is being written by another process; wait for it to end"
                ) from None
            handle.truncate(0)
            yield Pulse(handle.fileno())
            handle.truncate(0)

    @property
    def progress(self) -> float:
        """Versions that are whole, and the share of the update in flight that is done."""
        try:
            share = float((self.path / LOCK).read_text() or 0)
        except (FileNotFoundError, ValueError):  # not begun, or read while it is written
            share = 0.0
        return self.versions + share


class Pulse:
    """Writes the share of the update in flight into the lock file, about once a second."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._due = 0.0

    def __call__(self, share: float) -> None:
        """Tell that a share is done, 0 to 1; 0 when an update ends."""
        now = time.monotonic()
        if now >= self._due or share == 0:
            self._due = now + 1
            with suppress(OSError):  # a full disk may hide progress, but not end a run
                os.ftruncate(self._descriptor, 0)
                os.write(self._descriptor, f"{min(share, 0.99):.2f}".encode())


def find_ledgers(*roots: Path) -> list[Ledger]:
    """All ledgers under the given folders, in a stable order.

    Raises:
        ClbenchError: a folder does not exist, or none of them holds a ledger.
    """
    for root in roots:
        if not root.is_dir():
            raise ClbenchError(f"{root} is not a folder of runs")
    found = sorted({path for root in roots for path in _folders_of_runs(root)})
    if not found:
        raise ClbenchError(f"no runs under {', '.join(map(str, roots))}; make some: clbench sweep")
    return [Ledger(path) for path in found]


def _folders_of_runs(root: Path) -> Iterator[Path]:
    """Folders with a `run.json`; what is inside of them is not looked at."""
    for folder, inner, files in os.walk(root):
        if "run.json" in files:
            inner.clear()
            yield Path(folder)


def differences(one: Ledger, two: Ledger) -> list[str]:
    """Files in which two ledgers differ, clock readings aside; empty if they are the same run."""
    names = {
        str(file.relative_to(ledger.path))
        for ledger in (one, two)
        for file in ledger.path.rglob("*")
        if file.is_file() and file.name != LOCK
    }
    return sorted(name for name in names if not _same(one.path / name, two.path / name))


def _same(one: Path, two: Path) -> bool:
    if not (one.is_file() and two.is_file()):
        return False
    if one.name == CLOCK:
        return True
    if one.name == MANIFEST:
        return _without_clock(one) == _without_clock(two)
    return one.read_bytes() == two.read_bytes()


def _without_clock(manifest: Path) -> object:
    """What a manifest says of the files that are the same in every run."""
    try:
        seals = _SEALS.validate_json(manifest.read_bytes())
    except ValidationError:
        return manifest.read_bytes()
    return {name: seal for name, seal in seals.items() if name != CLOCK}


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


def _seal(data: bytes) -> Seal:
    return Seal(bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
