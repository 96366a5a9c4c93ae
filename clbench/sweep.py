"""Many runs: methods x streams x seeds, one after the other or in processes.

A finished cell is never run again; a broken one is reported and does not stop the others, not
even when its process dies.
"""

import multiprocessing
import os
import signal
import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Thread
from typing import TYPE_CHECKING, Any

from clbench.errors import ClbenchError
from clbench.settings import Settings

if TYPE_CHECKING:
    from clbench.record import TuningRecord  # help is to load no schemas


@dataclass(frozen=True)
class StreamChoice:
    """A preset, with what differs from it. `recipe` is merged into that of the preset."""

    preset: str
    source: str | None = None
    embed: str | None = None
    protocol: Mapping[str, Any] = field(default_factory=dict)
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One run to be made. Hyperparameters that are not given come from the stream's recipe.

    `tuning` says how those that are given were chosen, where that was done by `clbench tune`.
    """

    stream: StreamChoice
    method: str
    seed: int
    root: Path
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    settings: Settings = field(default_factory=Settings)
    tuning: "TuningRecord | None" = None


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
        with redirect_stdout(sys.stderr):  # standard output is for results
            return Outcome(cell, play_cell(cell, on_version).path)
    except ClbenchError as error:
        return Outcome(cell, None, str(error))
    except (Exception, SystemExit) as error:  # a plugin's own fault must not stop the other cells
        return Outcome(cell, None, f"{type(error).__name__}: {error}", traceback.format_exc())


def sweep(
    cells: Sequence[Cell],
    processes: int,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> list[Outcome]:
    """Make all runs, `processes` at a time; outcomes in the order of the cells."""
    if processes > 1:
        return _Lanes(cells, on_outcome).run(min(processes, len(cells)))
    outcomes = []
    for cell in cells:
        outcomes.append(run_cell(cell))
        on_outcome(outcomes[-1])
    return outcomes


class _Lanes:
    """Threads that each keep one process busy with cells, and replace it when it dies."""

    def __init__(self, cells: Sequence[Cell], on_outcome: Callable[[Outcome], None]) -> None:
        self._outcomes: list[Outcome | None] = [None] * len(cells)
        self._on_outcome = on_outcome
        self._waiting: SimpleQueue[tuple[int, Cell]] = SimpleQueue()
        self._stopped = False
        for item in enumerate(cells):
            self._waiting.put(item)

    def run(self, number: int) -> list[Outcome]:
        lanes = [Thread(target=self._lane, daemon=True) for _ in range(number)]
        for lane in lanes:
            lane.start()
        try:
            for lane in lanes:
                lane.join()
        except KeyboardInterrupt:
            self._stopped = True
            for process in multiprocessing.active_children():
                process.kill()  # nothing is lost but the updates in flight
            raise
        return [outcome for outcome in self._outcomes if outcome]

    def _lane(self) -> None:
        while not self._stopped:
            try:
                with _one_process() as pool:
                    while self._next(pool):
                        pass
            except Empty:
                return

    def _next(self, pool: ProcessPoolExecutor) -> bool:
        """Make the next cell's run; whether the process is still alive after."""
        index, cell = self._waiting.get_nowait()
        outcome = _in_process(pool, cell)
        if self._stopped:
            return False
        self._outcomes[index] = outcome
        self._on_outcome(outcome)
        return outcome.error != DIED


DIED = "its process died (killed, or out of memory); run again to continue after its last version"


def _in_process(pool: ProcessPoolExecutor, cell: Cell) -> Outcome:
    try:
        return pool.submit(run_cell, cell).result()
    except BrokenProcessPool:
        return Outcome(cell, None, DIED)


def _one_process() -> ProcessPoolExecutor:
    # Spawned, not forked: a fork would inherit torch's threads in an unknown state.
    return ProcessPoolExecutor(
        1, mp_context=multiprocessing.get_context("spawn"), initializer=belong_to_parent
    )


def belong_to_parent() -> None:
    """Leave Ctrl-C to the process that started this one, and end when it ends, however it does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_after_parent, daemon=True).start()


def _end_after_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)  # else a killed sweep would train on, and hold its runs against the next
