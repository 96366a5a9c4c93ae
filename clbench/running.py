"""From names to a run: opens the stream, loads the method, joins recipe and hyperparameters."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import redirect_stdout
from functools import lru_cache
from typing import Any

from clbench.errors import ClbenchError, unknown
from clbench.ledger import Ledger
from clbench.method import Method, known_names
from clbench.opening import Opened, open_preset
from clbench.play import play
from clbench.plugin import load
from clbench.possible import tried
from clbench.record import RunRecord
from clbench.recording import run_path, run_record
from clbench.spec import merged
from clbench.sweep import Cell, StreamChoice


def play_cell(cell: Cell, on_version: Callable[[int], None]) -> Ledger:
    """Make the run of a cell, or continue it."""
    kind, opened = load_method(cell.method), opened_of(cell)
    return play(
        opened.stream,
        opened.source,
        kind,
        _chosen(cell, kind, opened),
        cell.seed,
        cell.root,
        cell.settings,
        on_version,
        cell.tuning,
    )


def planned(cell: Cell) -> tuple[Ledger, int]:
    """Where a cell's run is or will be kept, and how many versions it has when whole.

    Raises:
        ClbenchError: a name, hyperparameter or protocol field is wrong; nothing is trained.
    """
    record = planned_record(cell)
    ledger = Ledger(run_path(cell.root, record))
    if not ledger.versions:
        with redirect_stdout(sys.stderr):  # standard output is for results
            _try(record, cell)
    return ledger, len(record.stream.updates) + 1


def planned_record(cell: Cell) -> RunRecord:
    """What `run.json` of a cell's run says or will say, every hyperparameter resolved.

    Raises:
        ClbenchError: as for `planned`.
    """
    kind, opened = load_method(cell.method), opened_of(cell)
    given = _chosen(cell, kind, opened)
    return run_record(
        opened.stream, opened.source, kind, given, cell.seed, cell.settings, cell.tuning
    )


def _try(record: RunRecord, cell: Cell) -> None:
    """Refuse what cannot be; a plugin's own fault waits for its run, which tells it in full."""
    kind, opened = load_method(cell.method), opened_of(cell)
    try:
        tried(record, opened.stream, opened.source, kind)
    except ClbenchError:
        raise
    except (Exception, SystemExit):
        return


def check_recipes(cells: Iterable[Cell]) -> None:
    """Refuse a recipe's hyperparameter that none of the methods has: it would do nothing.

    Raises:
        ClbenchError: naming it, and the nearest that one of them has.
    """
    cells = list(cells)
    known = set().union(*(_groups(load_method(name)) for name in {c.method for c in cells}))
    for key in {key for cell in cells for key in cell.stream.recipe}:
        if key not in known:
            raise unknown("hyperparameter of the methods, in --recipe,", key, sorted(known))


def seeded(cells: Iterable[Cell], usual: Sequence[int], of_controls: Sequence[int]) -> list[Cell]:
    """Of the cells those with the seeds that are for their methods."""
    return [
        cell
        for cell in cells
        if cell.seed in (of_controls if load_method(cell.method).card.control else usual)
    ]


def check_stores(cells: Iterable[Cell]) -> None:
    """Refuse a store of trained models that none of the methods would take any from.

    Raises:
        ClbenchError: naming the option.
    """
    cells = list(cells)
    cards = [load_method(name).card for name in {cell.method for cell in cells}]
    plain = [card for card in cards if card.original == "plain"]
    takers = {
        "originals": plain,
        "oracles": [card for card in plain if "retraining" in card.needs],
    }
    for name, some in takers.items():
        if not some and any(getattr(cell.settings, name) for cell in cells):
            raise ClbenchError(
                f"none of the methods starts from --{name}, which would do nothing; leave it out, "
                "or add a method whose card allows it (clbench show METHOD: original, needs)"
            )


def opened_of(cell: Cell) -> Opened:
    """The stream of a cell, with its source."""
    return _open(_key(cell.stream))


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
    own = _groups(kind)
    return merged({k: v for k, v in recipe.items() if k in own}, given)


def _groups(kind: type[Method]) -> set[str]:
    """Names of hyperparameters and of groups of them."""
    return {name.partition(".")[0] for name in known_names(kind)}


def _chosen(cell: Cell, kind: type[Method], opened: Opened) -> dict[str, Any]:
    recipe = merged(opened.recipe, cell.stream.recipe)
    return hyperparameters(kind, recipe, cell.hyperparameters)


_Key = tuple[str, str | None, str | None, tuple[tuple[str, Any], ...]]


def _key(choice: StreamChoice) -> _Key:
    return choice.preset, choice.source, choice.embed, tuple(sorted(choice.protocol.items()))


@lru_cache(maxsize=4)  # cells of one stream follow each other: its samples are opened once
def _open(key: _Key) -> Opened:
    preset, source, embed, protocol = key
    return open_preset(preset, source=source, embed=embed, protocol=dict(protocol))
