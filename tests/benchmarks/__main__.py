"""All benchmarks: `python -m tests.benchmarks [section ...] [--json file]`."""

import argparse
import importlib
import json
import os
import platform
import sys
import time
import traceback
import warnings
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from tests.benchmarks.measure import Result

SECTIONS = {
    "overhead": "the runner over a hand-written loop",
    "avalanche": "speed beside Avalanche",
    "agreement": "accuracies beside Avalanche",
    "parity": "eleven methods beside Avalanche's",
    "frozen": "ten seeds on frozen features",
    "ensemble": "many models as one job",
    "startup": "the command line",
    "scoring": "a thousand runs",
    "unlearning": "metrics of many models beside loops over points",
    "similarity": "representations of 10,000 samples",
}
MODULES = {"scoring": "archive"}
PEERS = Path(".venv-bench")


def main() -> None:
    """Run the chosen sections and print one table."""
    arguments = _parsed()
    warnings.simplefilter("ignore")  # Avalanche warns of solvers, loggers and itself
    sys.path += map(str, PEERS.glob("lib/python*/site-packages"))  # last: ours come first
    console = Console(width=None if sys.stdout.isatty() else 200)
    console.print(_machine())
    results = []
    for section in arguments.sections or SECTIONS:
        start = time.perf_counter()
        for result in _run(section):
            results.append(result)
            line = f"{result.section}: {result.what}: {result.measured}"
            console.print(line, highlight=False, markup=False)
        console.print(f"{section} took {time.perf_counter() - start:.0f} s", style="dim")
    console.print(_table(results))
    if arguments.json:
        report = {"machine": _machine(), "results": list(map(asdict, results))}
        arguments.json.write_text(json.dumps(report, indent=1))


def _parsed() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    listed = "; ".join(f"{name}: {what}" for name, what in SECTIONS.items())
    parser.add_argument("sections", nargs="*", choices=[*SECTIONS, []], help=f"{listed} (all)")
    parser.add_argument("--json", type=Path, help="also write the results to this file")
    return parser.parse_args()


def _run(section: str) -> Iterator[Result]:
    """The results of a section; what cannot run says why."""
    try:
        module = importlib.import_module(f"tests.benchmarks.{MODULES.get(section, section)}")
        yield from module.run()
    except ModuleNotFoundError as error:
        if error.name != "avalanche":
            raise
        yield Result(section, "all", "not measured: Avalanche is not installed; run make bench")
    except Exception as error:
        traceback.print_exc()
        yield Result(section, "the rest", f"failed: {type(error).__name__}: {error}", "", False)


def _machine() -> str:
    import torch

    from clbench.recording import environment

    found = environment()
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    return (
        f"{found['cpu']}; Python {platform.python_version()}, torch {torch.__version__}; "
        f"{torch.backends.cpu.get_cpu_capability()}; clbench {found['git']}; load {load}"
    )


def _table(results: list[Result]) -> Table:
    table = Table("section", "what", "measured", "target", "met")
    for result in results:
        met = {None: "", True: "[green]yes[/]", False: "[red]no[/]"}[result.met]
        table.add_row(result.section, result.what, escape(result.measured), result.target, met)
    return table


if __name__ == "__main__":
    main()
