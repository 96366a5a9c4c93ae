"""From names to a run: opens the stream, loads the method, joins recipe and hyperparameters."""

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Method, known_names
from clbench.opening import Opened, open_preset
from clbench.play import play
from clbench.plugin import load
from clbench.recording import run_path, run_record
from clbench.spec import merged
from clbench.sweep import Cell, StreamChoice


def play_cell(cell: Cell, on_version: Callable[[int], None]) -> Ledger:
    """Make the run of a cell, or continue it."""
    kind, opened = load_method(cell.method), _open(_key(cell.stream))
    return play(
        opened.stream,
        opened.source,
        kind,
        hyperparameters(kind, opened.recipe, cell.hyperparameters),
        cell.seed,
        cell.root,
        cell.settings,
        on_version,
    )


def planned(cell: Cell) -> tuple[Ledger, int]:
    """Where a cell's run is or will be kept, and how many versions it has when whole.

    Raises:
        ClbenchError: a name, hyperparameter or protocol field is wrong; nothing is trained.
    """
    kind, opened = load_method(cell.method), _open(_key(cell.stream))
    chosen = hyperparameters(kind, opened.recipe, cell.hyperparameters)
    record = run_record(opened.stream, opened.source, kind, chosen, cell.seed, cell.settings)
    return Ledger(run_path(cell.root, record)), len(opened.stream.updates) + 1


def load_method(name: str) -> type[Method]:
    """The method class of a name or `file.py:Class`."""
    kind = load("methods", name)
    if not (isinstance(kind, type) and issubclass(kind, Method)):
        raise ClbenchError(f"{name} is not a subclass of clbench.method.Method")
    return kind


def hyperparameters(
    kind: type[Method], recipe: Mapping[str, Any], given: Mapping[str, Any]
) -> dict[str, Any]:
    """The stream's recipe where the method has such fields, overruled by what is given."""
    own = {name.partition(".")[0] for name in known_names(kind)}
    return merged({k: v for k, v in recipe.items() if k in own}, given)


_Key = tuple[str, str | None, str | None, tuple[tuple[str, Any], ...]]


def _key(choice: StreamChoice) -> _Key:
    return choice.preset, choice.source, choice.embed, tuple(sorted(choice.protocol.items()))


@lru_cache(maxsize=4)  # cells of one stream follow each other: its samples are opened once
def _open(key: _Key) -> Opened:
    preset, source, embed, protocol = key
    return open_preset(preset, source=source, embed=embed, protocol=dict(protocol))
