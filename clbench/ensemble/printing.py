"""`clbench ensemble`: from names to a store, with a progress bar and a summary."""

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clbench.ensemble.bars import progress_bars
from clbench.ensemble.job import Job, about, job_of
from clbench.ensemble.members import Plan, plan
from clbench.ensemble.recipe import recipe_of
from clbench.ensemble.ridge_store import train_ridge
from clbench.ensemble.store import Store
from clbench.ensemble.trainer import TRIAL, Where, train_ensemble
from clbench.errors import ClbenchError, unknown
from clbench.opening import open_preset
from clbench.options import Options, pairs, tree
from clbench.possible import check_device
from clbench.settings import RECIPE, Precision
from clbench.spec import merged


@dataclass(frozen=True)
class Wanted:
    """What is asked for on the command line; `ridge` is for heads in closed form."""

    kind: str
    count: int
    share: float
    ridge: float | None
    where: Where


def print_ensemble(stream: str, wanted: Wanted, options: Options, *, as_json: bool) -> None:
    """Train an ensemble into the folder of `options.out`, and print what was done.

    Raises:
        ClbenchError: a name, option or store is wrong, before any training; or a member diverged.
    """
    check_device(options.device)
    opened = open_preset(
        stream,
        source=options.source,
        embed=options.embed,
        protocol=pairs(options.protocol, "--protocol"),
    )
    found = plan(wanted.kind, opened.stream, opened.source, wanted.count, wanted.share)
    given = tree(options.recipe, "--recipe")
    if strange := sorted(given.keys() - set(RECIPE)):
        raise unknown("part of the recipe of an ensemble", strange[0], RECIPE)
    hyperparameters = merged(opened.recipe, given)
    precision: Precision = "bfloat16" if options.bf16 else "float32"
    recipe = recipe_of(hyperparameters, opened.stream.protocol, precision)
    threads = options.threads or _threads(wanted.where)
    job = job_of(found, opened.stream, opened.source, recipe, options.device, threads)
    start = time.perf_counter()
    with _bar(f"{wanted.kind} of {opened.stream.name}", len(found.members)) as progress:
        store = _trained(
            found, job, about(opened.stream, opened.source), wanted, options.out, progress
        )
    _print(store, found, time.perf_counter() - start, as_json=as_json)


def _trained(
    found: Plan,
    job: Job,
    names: dict[str, Any],
    wanted: Wanted,
    path: Path,
    progress: Callable[[int, int], None],
) -> Store:
    if wanted.ridge is None:
        return train_ensemble(found, job, names, path, wanted.where, progress)
    if wanted.kind != "masks" or wanted.where.on in ("processes", "ray"):
        raise ClbenchError(
            "--ridge solves heads of --kind masks in one process; leave out the rest"
        )
    return train_ridge(found, job, wanted.ridge, names, path, progress)


def _threads(where: Where) -> int | None:
    """The cores are divided among processes; a task of Ray's takes one."""
    if where.on == "ray":
        return 1
    cores = os.cpu_count() or 1
    return max(1, cores // (where.processes or cores)) if where.on == "processes" else None


def _print(store: Store, found: Plan, seconds: float, *, as_json: bool) -> None:
    trial = store.path / TRIAL
    choice = json.loads(trial.read_bytes()) if trial.exists() else None
    content = {
        "path": str(store.path.resolve()),
        "kind": found.kind,
        "members": len(found.members),
        "complete": int(store.completed[: len(found.members)].sum()),
        "fingerprint": store.spec.fingerprint,
        "seconds": seconds,
        "trial": choice,
    }
    if as_json:
        json.dump(content, sys.stdout, indent=2)
        print()
        return
    if choice:
        Console().print(_timings(choice))
    spread = f" by {choice['processes']} processes" if choice and choice["processes"] > 1 else ""
    line = f"{content['complete']} of {content['members']} {found.kind} in {seconds:.1f} s{spread}:"
    Console(soft_wrap=True).print(f"{line} {content['path']}", markup=False, highlight=False)


def _timings(choice: dict[str, Any]) -> Table:
    """What the trial found; the program that was taken is marked."""
    table = Table("program", "members together", "µs a step of a member", "")
    for timing in choice["timings"]:
        taken = all(timing[key] == choice[key] for key in ("program", "group"))
        micro = f"{timing['seconds'] * 1e6:,.0f}"
        table.add_row(timing["program"], str(timing["group"]), micro, "taken" if taken else "")
    return table


@contextmanager
def _bar(title: str, total: int) -> Iterator[Callable[[int, int], None]]:
    with progress_bars() as progress:
        task = progress.add_task(escape(title), total=total)
        yield lambda done, total: progress.update(task, completed=done, total=total)
