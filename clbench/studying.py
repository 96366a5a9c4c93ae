"""Making the runs of a study under a progress bar."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from threading import Event, Thread

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    TextColumn,
    TimeElapsedColumn,
)

from clbench.running import check_recipes, check_stores, planned
from clbench.sweep import Cell, Outcome, sweep

POLL_SECONDS = 0.2


def share_threads(cells: Sequence[Cell], lanes: int) -> list[Cell]:
    """Divide the cores among runs that go side by side, where no number was asked for."""
    each = max(1, (os.cpu_count() or 1) // max(1, lanes))
    return [
        cell
        if cell.settings.threads
        else replace(cell, settings=replace(cell.settings, threads=each))
        for cell in cells
    ]


def make_runs(cells: Sequence[Cell], processes: int, what: str = "") -> list[Outcome]:
    """Make all runs; a broken one is reported with its traceback and does not stop the others.

    `what` stands before the bar, to tell which of several rounds of runs this is.

    Raises:
        ClbenchError: a name, hyperparameter or protocol is wrong; found before any training.
    """
    check_recipes(cells)
    check_stores(cells)
    plans = [planned(cell) for cell in cells]
    whole = sum(versions for _, versions in plans)
    with Progress(*_columns(), console=Console(stderr=True)) as progress:
        task = progress.add_task(what + _title(0, cells), total=whole)
        done: list[Outcome] = []

        def report(outcome: Outcome) -> None:
            done.append(outcome)
            progress.update(task, description=what + _title(len(done), cells))
            if outcome.trace or (outcome.error and len(cells) > 1):
                print_broken(progress.console, outcome)

        def count() -> None:
            # Read from the ledgers: whichever process writes them, their versions are the truth.
            progress.update(task, completed=sum(ledger.progress for ledger, _ in plans))

        with _repeating(count):
            try:
                return sweep(cells, processes, report)
            except KeyboardInterrupt:
                progress.console.print("stopped; the same command continues where this one was")
                raise


def print_broken(console: Console, outcome: Outcome) -> None:
    """Say which run broke and why, with the traceback where the fault is the plugin's."""
    cell = outcome.cell
    where = f"{cell.method} on {cell.stream.preset}, seed {cell.seed}"
    if outcome.trace:
        console.print(escape(outcome.trace), style="dim", highlight=False)
    console.print(f"[bold red]broken:[/] {escape(where)}: {escape(outcome.error or '')}")


def _columns() -> tuple[ProgressColumn, ...]:
    return (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.1f}/{task.total:.0f} versions"),
        TimeElapsedColumn(),
    )


def _title(done: int, cells: Sequence[Cell]) -> str:
    if len(cells) == 1:
        return f"{escape(cells[0].method)} on {escape(cells[0].stream.preset)}"
    return f"{done} of {len(cells)} runs"


@contextmanager
def _repeating(action: Callable[[], None]) -> Iterator[None]:
    """Do something every 0.2 seconds meanwhile, and once more at the end."""
    ended = Event()

    def repeat() -> None:
        while not ended.wait(POLL_SECONDS):
            action()

    thread = Thread(target=repeat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
        action()
