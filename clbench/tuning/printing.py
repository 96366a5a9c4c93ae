"""`clbench tune`: runs the search, prints what it found, and writes it down."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.box import HORIZONTALS
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clbench.files import write_atomic, writing
from clbench.metric import Metric
from clbench.report.number import value_text
from clbench.report.section import title
from clbench.sweep import Cell
from clbench.tuning.search import Budget, Search
from clbench.tuning.study import tune
from clbench.tuning.tuned import Tuned, write_tuned

NOTHING = "nothing to tune"


def print_tuning(
    cells: Sequence[Cell], budget: Budget, folder: Path, processes: int, *, as_json: bool
) -> None:
    """Tune, write `tuned.toml` and every trial beside it, and print the choices."""
    searches = tune(cells, budget, processes)
    streams: dict[str, dict[str, Tuned]] = defaultdict(dict)
    for search in searches:
        chosen = Tuned(hyperparameters=search.chosen(), tuning=search.tuning())
        streams[search.stream][search.base.method] = chosen
    trials = [_trials(search) for search in searches]
    with writing(folder):
        write_atomic(folder / "trials.json", (json.dumps(trials, indent=2) + "\n").encode())
    write_tuned(folder / "tuned.toml", streams)
    if as_json:
        print(json.dumps({"written": str(folder / "tuned.toml"), "searches": trials}, indent=2))
        return
    for stream in streams:
        Console().print(_table([each for each in searches if each.stream == stream], budget))
    methods = ",".join(dict.fromkeys(search.base.method for search in searches))
    line = f"clbench sweep {methods} {','.join(streams)} --tuned {folder / 'tuned.toml'}"
    Console(soft_wrap=True).print(f"use it: {line}", markup=False, highlight=False)


def _trials(search: Search) -> dict[str, Any]:
    """A search as plain values."""
    return {
        "stream": search.stream,
        "method": search.base.method,
        "tuning": search.tuning().model_dump(mode="json"),
        "chosen": search.best.setting,
        "trials": [asdict(trial) for trial in search.trials],
    }


def _table(searches: Sequence[Search], budget: Budget) -> Table:
    """One row a method: what was spent, what it was worth, and what was chosen."""
    tuning, objective = searches[0].tuning(), budget.objective
    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False, title_justify="left")
    heading = f"{searches[0].stream}: {title(objective)} on {tuning.stream}"
    table.title = Text.assemble(heading, (" ON TEST" * budget.on_test, "bold red"))
    table.add_column("method", overflow="fold")
    table.add_column("trials")
    for name in ("default", "tuned", "FLOPs"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("chosen", overflow="fold")
    for search in searches:
        table.add_row(*_row(search, objective))
    return table


def _row(search: Search, objective: Metric) -> list[str]:
    tuning = search.tuning()
    default = "–" if tuning.default is None else value_text(objective.unit, tuning.default)
    spent = str(tuning.used) + f" of {tuning.trials}" * (tuning.used < tuning.trials)
    failed = f", {tuning.failed} failed" if tuning.failed else ""
    chosen = "\n".join(f"{name}={value}" for name, value in search.best.setting.items())
    return [
        escape(search.base.method),
        spent + failed,
        default,
        value_text(objective.unit, tuning.value),
        value_text("flops", tuning.flops),
        escape(chosen) or NOTHING,
    ]
