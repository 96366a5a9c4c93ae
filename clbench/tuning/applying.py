"""Runs with what was tuned: each says how its hyperparameters were chosen, and which were not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from clbench.document import SUFFIX
from clbench.errors import ClbenchError, listing
from clbench.opening import TUNING
from clbench.running import hyperparameters, load_method, planned_record
from clbench.spec import flat, merged
from clbench.sweep import Cell, StreamChoice
from clbench.tuning.tuned import Tuned, TunedFile, read_tuned


def tuning_stream(choice: StreamChoice, *, on_test: bool) -> StreamChoice:
    """The stream on which choices for a stream are made.

    Raises:
        ClbenchError: it is a tuning stream itself, or a file, which has none.
    """
    name = choice.preset
    if name.endswith(TUNING):
        raise ClbenchError(
            f"{name} is what {name.removesuffix(TUNING)} is tuned on; give that name"
        )
    if on_test:
        return choice
    if name.endswith(SUFFIX):
        raise ClbenchError(
            f"{name} is a file, which has no tuning stream; give a preset's name, or --on-test, "
            "which marks every result as tuned on test"
        )
    return replace(choice, preset=name + TUNING)


def tuned_cells(cells: Sequence[Cell], path: Path) -> list[Cell]:
    """The cells with what was chosen for them; what a cell gives itself overrules, and is told.

    Controls that were not tuned stay as they are: oracles are trained by the stream's recipe.

    Raises:
        ClbenchError: the file has no choice for a cell's stream or method, or made it on another
            stream than the one that it would be made on today.
    """
    found = read_tuned(path)
    return [
        cell
        if _is_untuned_control(found, cell)
        else _tuned_cell(cell, _choice(found, cell, path), path)
        for cell in cells
    ]


def _is_untuned_control(found: TunedFile, cell: Cell) -> bool:
    known = found.streams.get(cell.stream.preset, {})
    return bool(known) and cell.method not in known and load_method(cell.method).card.control


def _choice(found: TunedFile, cell: Cell, path: Path) -> Tuned:
    stream, method = cell.stream.preset, cell.method
    if stream not in found.streams:
        raise ClbenchError(f"{path} is tuned for {listing(found.streams)}, not for {stream}")
    if method not in found.streams[stream]:
        raise ClbenchError(
            f"{path} has {listing(found.streams[stream])} on {stream}, not {method}; tune all "
            "methods of a table with one clbench tune, or run this one without --tuned"
        )
    return found.streams[stream][method]


def _tuned_cell(cell: Cell, chosen: Tuned, path: Path) -> Cell:
    tuning = chosen.tuning
    own = hyperparameters(load_method(cell.method), cell.stream.recipe, cell.hyperparameters)
    whole = replace(cell, hyperparameters=merged(chosen.hyperparameters, own))
    where = replace(whole, stream=tuning_stream(cell.stream, on_test=tuning.on_test))
    stream = planned_record(where).stream
    if (stream.fingerprint, stream.source_fingerprint) != (
        tuning.fingerprint,
        tuning.source_fingerprint,
    ):
        raise ClbenchError(
            f"{path} was tuned on {tuning.stream} ({tuning.fingerprint[:12]}, source "
            f"{tuning.source_fingerprint[:12]}), but for this run that stream is {stream.name} "
            f"({stream.fingerprint[:12]}, source {stream.source_fingerprint[:12]}); tune again"
        )
    changed = _changed(chosen.hyperparameters, planned_record(whole).hyperparameters)
    return replace(whole, tuning=tuning.model_copy(update={"changed": changed}))


def _changed(tuned: Mapping[str, Any], now: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of hyperparameters that are not as they were when others were tuned."""
    before = dict(flat(tuned))
    after = {name: value for name, value in flat(now) if value is not None}
    return tuple(sorted(name for name in {*before, *after} if before.get(name) != after.get(name)))
