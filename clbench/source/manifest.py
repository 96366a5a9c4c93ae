"""What a store says about itself: its files, and the raw files from which it was made."""

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from clbench.errors import ClbenchError

BLOCK = 1 << 24  # bytes
FULL_CHECK = 1 << 30  # bytes of a store up to which all of it is hashed at opening
SAMPLED = 16  # blocks that are hashed beyond that


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class StoredFile(_Record):
    """A file of a store: its size, SHA-256 and the SHA-256 of each block."""

    size: int
    sha256: str
    blocks: list[str]


class RawFile(_Record):
    """A file that was decoded, by its absolute path."""

    path: str
    size: int
    mtime_ns: int
    sha256: str


class Manifest(_Record):
    """The contents of `manifest.json`, written last."""

    schema_version: Literal[1] = 1
    key: dict[str, str | int | float | bool | None]
    classes: list[str]
    other: list[str]
    fingerprint: str
    files: dict[str, StoredFile]
    raw: list[RawFile]


def read_manifest(store: Path) -> Manifest:
    """The manifest of a store.

    Raises:
        ClbenchError: it is missing or does not follow the schema.
    """
    file = store / "manifest.json"
    try:
        return Manifest.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        raise ClbenchError(f"{file} is missing; delete {store} to decode again") from None
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"])) or "the whole file"
        raise ClbenchError(
            f"{file}: {field}: {first['msg']}; delete {store} to decode again"
        ) from error


def stored_file(path: Path) -> StoredFile:
    """Describe a file as it lies on disk."""
    whole, blocks = hashlib.sha256(), []
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            whole.update(block)
            blocks.append(hashlib.sha256(block).hexdigest())
    return StoredFile(size=path.stat().st_size, sha256=whole.hexdigest(), blocks=blocks)


def raw_file(path: Path) -> RawFile:
    """Describe a file before it is decoded."""
    stat = path.stat()
    return RawFile(
        path=str(path), size=stat.st_size, mtime_ns=stat.st_mtime_ns, sha256=_sha256(path)
    )


def verify_files(store: Path, files: dict[str, StoredFile]) -> None:
    """Check sizes, and the content of a store up to 1 GiB; of a larger one, sampled blocks.

    Raises:
        ClbenchError: a file is missing, truncated or altered.
    """
    remedy = f"delete {store} to decode again"
    for name, record in files.items():
        path = store / name
        if not path.is_file():
            raise ClbenchError(f"{path} is missing; {remedy}")
        if path.stat().st_size != record.size:
            raise ClbenchError(
                f"{path} has {path.stat().st_size} bytes, not {record.size}; {remedy}"
            )
    for name, block in _to_verify(files):
        with (store / name).open("rb") as file:
            file.seek(block * BLOCK)
            found = hashlib.sha256(file.read(BLOCK)).hexdigest()
        if found != files[name].blocks[block]:
            raise ClbenchError(f"{store / name} was altered (its SHA-256 differs); {remedy}")


def _to_verify(files: dict[str, StoredFile]) -> Iterable[tuple[str, int]]:
    every = [(name, i) for name, record in files.items() for i in range(len(record.blocks))]
    if sum(record.size for record in files.values()) <= FULL_CHECK:
        return every
    return random.sample(every, min(SAMPLED, len(every)))


def verify_raw(store: Path, recorded: Sequence[RawFile], present: Sequence[Path]) -> None:
    """Check that the raw files are those that were decoded; one that was touched is hashed.

    Raises:
        ClbenchError: a raw file changed, is gone or is new.
    """
    known, now = {record.path: record for record in recorded}, {str(path) for path in present}
    for path in sorted(known.keys() ^ now):
        what = "is missing, but was there" if path in known else "was not there"
        raise ClbenchError(
            f"{path} {what} when its data set was decoded; put it back as it was or delete {store}"
        )
    for record in recorded:
        file = Path(record.path)
        stat = file.stat()
        if (stat.st_size, stat.st_mtime_ns) == (record.size, record.mtime_ns):
            continue
        if stat.st_size != record.size or _sha256(file) != record.sha256:
            raise ClbenchError(
                f"{record.path} changed since it was decoded; restore it or delete {store}"
            )


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
