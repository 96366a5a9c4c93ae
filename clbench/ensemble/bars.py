"""Progress of training ensembles, and the stores of a sweep with it."""

from collections.abc import Sequence
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clbench.ensemble.sharing import with_stores
from clbench.errors import ClbenchError
from clbench.possible import check_device
from clbench.sweep import Cell


def train_stores(cells: Sequence[Cell], folder: Path) -> list[Cell]:
    """The cells of a sweep with the stores that they share, trained with a progress bar.

    Raises:
        ClbenchError: a cell is told of a store already, or `with_stores` refuses.
    """
    if any(cell.settings.originals or cell.settings.oracles for cell in cells):
        raise ClbenchError(
            "--stores trains what --originals or --oracles would give; use one or the other"
        )
    for cell in cells:
        check_device(cell.settings.device)
    with progress_bars() as progress:
        tasks: dict[str, TaskID] = {}

        def report(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = progress.add_task(escape(what), total=total)
            progress.update(tasks[what], completed=done)

        return with_stores(cells, folder, report)


def progress_bars() -> Progress:
    """Bars of members, which vanish when they are done."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} members"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True), transient=True)
