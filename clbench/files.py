"""Files that are either whole or not there, and what to do when the disk refuses."""

import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from clbench.errors import ClbenchError


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that it is either whole or not there."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(partial_name(path, os.getpid()))
    try:
        write_synced(partial, data)
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
    sync_folder(path.parent)


def partial_name(path: Path, writer: int | str) -> str:
    """The name of a file while a process writes it."""
    return f".{path.name}.{writer}"


def write_synced(path: Path, data: bytes) -> None:
    """Write a file and wait until it is on the disk."""
    with open(path, "wb") as handle:
        handle.write(data)
        handle.flush()
        os.fsync(handle.fileno())


def write_together(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write several files of a folder and wait until all are on the disk.

    All are written before the first is waited for: the file system commits them at once.
    """
    with ExitStack() as opened:
        handles = [opened.enter_context(open(folder / name, "wb")) for name in files]
        for handle, data in zip(handles, files.values(), strict=True):
            handle.write(data)
            handle.flush()
        for handle in handles:
            os.fsync(handle.fileno())


def sync_folder(path: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Where the file system refuses, say what could not be written and what to do.

    Raises:
        ClbenchError: the disk is full, or permission is lacking.
    """
    try:
        yield
    except OSError as error:
        raise ClbenchError(
            f"{path} cannot be written: {error.strerror or error}; see to space and permissions "
            "and run again: what is recorded is kept"
        ) from error
