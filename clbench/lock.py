"""One writer a run: a lock file, which also tells how far the update in flight is."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from clbench.errors import ClbenchError
from clbench.files import writing

LOCK = ".lock"


@contextmanager
def held(folder: Path) -> Iterator["Pulse"]:
    """Hold a folder for writing; what it yields tells others how far one is.

    Raises:
        ClbenchError: another process holds it, or it cannot be written.
    """
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        handle = open(folder / LOCK, "a+")  # noqa: SIM115 - closed below
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ClbenchError(
                f"{folder} is being written by another process; wait for it to end"
            ) from None
        handle.truncate(0)
        yield Pulse(handle.fileno())
        handle.truncate(0)


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


def share_done(folder: Path) -> float:
    """The share that the writer of a folder last told, 0 where none did."""
    try:
        return float((folder / LOCK).read_text() or 0)
    except (FileNotFoundError, ValueError):  # not begun, or read while it is written
        return 0.0
