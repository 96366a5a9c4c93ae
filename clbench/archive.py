"""Many ledgers: finding them, and telling whether two are the same."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.lock import LOCK
from clbench.seal import MANIFEST, SEALS

CLOCK = "clock.json"  # readings that differ from run to run


def find_ledgers(*roots: Path) -> list[Ledger]:
    """All ledgers under the given folders, in a stable order.

    Raises:
        ClbenchError: a folder does not exist, or none of them holds a ledger.
    """
    for root in roots:
        if not root.is_dir():
            raise ClbenchError(f"{root} is not a folder of runs")
    found = sorted({path for root in roots for path in _folders_of_runs(root)})
    if not found:
        raise ClbenchError(f"no runs under {', '.join(map(str, roots))}; make some: clbench sweep")
    return [Ledger(path) for path in found]


def _folders_of_runs(root: Path) -> Iterator[Path]:
    """Folders with a `run.json`; what is inside of them is not looked at."""
    for folder, inner, files in os.walk(root):
        if "run.json" in files:
            inner.clear()
            yield Path(folder)


def differences(one: Ledger, two: Ledger) -> list[str]:
    """Files in which two ledgers differ, clock readings aside; empty if they are the same run."""
    names = {
        str(file.relative_to(ledger.path))
        for ledger in (one, two)
        for file in ledger.path.rglob("*")
        if file.is_file() and file.name != LOCK
    }
    return sorted(name for name in names if not _same(one.path / name, two.path / name))


def _same(one: Path, two: Path) -> bool:
    if not (one.is_file() and two.is_file()):
        return False
    if one.name == CLOCK:
        return True
    if one.name == MANIFEST:
        return _without_clock(one) == _without_clock(two)
    return one.read_bytes() == two.read_bytes()


def _without_clock(manifest: Path) -> object:
    """What a manifest says of the files that are the same in every run."""
    try:
        seals = SEALS.validate_json(manifest.read_bytes())
    except ValidationError:
        return manifest.read_bytes()
    return {name: seal for name, seal in seals.items() if name != CLOCK}
