"""What `clbench layers` prints."""

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from rich.console import Console

from clbench.errors import ClbenchError
from clbench.inside import read_inside, version_of
from clbench.layers import changes, drift_map
from clbench.ledger import Ledger
from clbench.metric.similarity.measures import chosen
from clbench.metric.similarity.null import Compared
from clbench.report.layer_table import change_table, drift_table

DRIFT = "linear_cka"  # by which a run is shown


def print_layers(first: str, second: str | None, measures: str | None, *, as_json: bool) -> None:
    """Print what changed inside, between two versions or over the life of one run.

    Raises:
        ClbenchError: a measure is unknown, or more than one is named for one run; a version is not
            there; the versions embed other samples.
    """
    names = None if measures is None else measures.split(",")
    if second is None:
        _print_drift(first, names, as_json=as_json)
        return
    taken = chosen(names)
    sides = read_inside(first), read_inside(second)
    found, left_out = changes(*sides, taken)
    if as_json:
        _print_json({"layers": [asdict(each) for each in found], "left_out": left_out})
        return
    Console().print(change_table(*sides, found, left_out, taken))


def _print_drift(name: str, names: Sequence[str] | None, *, as_json: bool) -> None:
    folder, version = version_of(name)
    if version is not None or (names is not None and len(names) > 1):
        raise ClbenchError(
            f"one run is shown by one measure over all its versions; got {name} and "
            f"{len(names or (DRIFT,))} measures: give two versions, or one folder and one measure"
        )
    (measure,) = chosen(names or [DRIFT])
    found = drift_map(Ledger(folder), measure)
    if as_json:
        rows = {layer: [_plain(each) for each in row] for layer, row in found.items()}
        _print_json({"measure": measure.name, "layers": rows})
        return
    Console().print(drift_table(str(folder), measure, found))


def _plain(found: Compared | str) -> dict[str, Any] | str:
    return asdict(found) if isinstance(found, Compared) else found


def _print_json(content: Any) -> None:
    json.dump(content, sys.stdout, indent=2, allow_nan=False)
    print()
