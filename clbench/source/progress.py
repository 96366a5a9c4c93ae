"""A progress bar for work that turns out to take long."""

from collections.abc import Iterable, Iterator
from time import monotonic
from typing import TypeVar

from rich.console import Console
from rich.progress import Progress

T = TypeVar("T")


def track(items: Iterable[T], total: int, label: str, delay: float = 2.0) -> Iterator[T]:
    """Yield the items; a bar comes up on a terminal's standard error after `delay` seconds."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield from items
        return
    started, progress = monotonic(), Progress(console=console, transient=True)
    task = progress.add_task(label, total=total)
    try:
        for item in items:
            yield item
            progress.advance(task)
            if not progress.live.is_started and monotonic() - started > delay:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()
