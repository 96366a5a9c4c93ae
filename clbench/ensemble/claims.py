"""Who trains which rows: several commands may fill one store side by side."""

import fcntl
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from clbench.ensemble.store import Store

FILE = ".claims"


class Claims:
    """Rows that this process holds, by a lock on one byte a row; they end with the process.

    The locks are POSIX's: of a process, not of a thread, and known to all nodes that share the
    folder where its file system keeps them.
    """

    def __init__(self, descriptor: int, store: Store, wanted: Sequence[int]) -> None:
        self._descriptor, self._store, self._wanted = descriptor, store, wanted
        self._mine: set[int] = set()

    def take(self, count: int) -> list[int]:
        """Up to so many rows that are missing and that nobody trains; none if there are none."""
        taken: list[int] = []
        for row in self.missing():
            if len(taken) == count:
                break
            if row not in self._mine and self._lock(row):
                self._mine.add(row)
                taken.append(row)
        done = self._store.completed  # by another, between our looking and our locking
        self.release([row for row in taken if done[row]])
        return [row for row in taken if not done[row]]

    def missing(self) -> list[int]:
        """Rows that are wanted and not complete."""
        done = self._store.completed
        return [row for row in self._wanted if not done[row]]

    def release(self, rows: Sequence[int]) -> None:
        """Give rows back."""
        for row in rows:
            fcntl.lockf(self._descriptor, fcntl.LOCK_UN, 1, row)
        self._mine.difference_update(rows)

    def _lock(self, row: int) -> bool:
        try:
            fcntl.lockf(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, row)
        except OSError:
            return False
        return True


@contextmanager
def claims(store: Store, wanted: Sequence[int]) -> Iterator[Claims]:
    """Claims on rows of a store, given back in the end."""
    path: Path = store.path / FILE
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield Claims(descriptor, store, wanted)
    finally:
        os.close(descriptor)
