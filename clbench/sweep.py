"""Many runs: methods x streams x seeds, one after the other or in processes.

A finished cell is never run again; a broken one is reported and does not stop the others, not
even when its process dies.
"""

import multiprocessing
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import Any

from clbench.errors import ClbenchError
from clbench.settings import Settings


@dataclass(frozen=True)
class StreamChoice:
    """A preset, with what differs from it."""

    preset: str
    source: str | None = None
    embed: str | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One run to be made. Hyperparameters that are not given come from the stream's recipe."""

    stream: StreamChoice
    method: str
    seed: int
    root: Path
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)


@dataclass(frozen=True)
class Outcome:
    """What became of a cell: the folder of its run, or why there is none."""

    cell: Cell
    path: Path | None
    error: str | None = None  # one sentence
    trace: str = ""  # the traceback, where the fault is not the user's


def run_cell(cell: Cell, on_version: Callable[[int], None] = lambda version: None) -> Outcome:
    """Make one run; every fault ends in the outcome."""
    from clbench.running import play_cell

    try:
        return Outcome(cell, play_cell(cell, on_version).path)
    except ClbenchError as error:
        return Outcome(cell, None, str(error))
    except Exception as error:  # a plugin's own fault must not stop the other cells
        return Outcome(cell, None, f"{type(error).__name__}: {error}", traceback.format_exc())


def sweep(
    cells: Sequence[Cell],
    processes: int,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Make all runs, `processes` at a time; outcomes in the order of the cells."""
    found: dict[int, Outcome] = {}
    if processes <= 1:
        for index, cell in enumerate(cells):
            found[index] = run_cell(cell)
            on_outcome(found[index])
        return [found[index] for index in range(len(cells))]
    waiting: SimpleQueue[tuple[int, Cell]] = SimpleQueue()
    for item in enumerate(cells):
        waiting.put(item)

    def lane() -> None:
        """Take cells until none is left, in a process that is replaced when it dies."""
        while True:
            try:
                with _one_process() as pool:
                    while True:
                        index, cell = waiting.get_nowait()
                        found[index] = _in_process(pool, cell)
                        on_outcome(found[index])
                        if found[index].error == DIED:
                            break
            except Empty:
                return

    lanes = [Thread(target=lane, daemon=True) for _ in range(min(processes, len(cells)))]
    for thread in lanes:
        thread.start()
    for thread in lanes:
        thread.join()
    return [found[index] for index in range(len(cells))]


DIED = "its process died (killed, or out of memory); run again to continue after its last version"


def _in_process(pool: ProcessPoolExecutor, cell: Cell) -> Outcome:
    try:
        return pool.submit(run_cell, cell).result()
    except BrokenProcessPool:
        return Outcome(cell, None, DIED)


def _one_process() -> ProcessPoolExecutor:
    # Spawned, not forked: a fork would inherit torch's threads in an unknown state.
    return ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn"))
