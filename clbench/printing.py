"""What `run`, `sweep`, `score`, `compare` and `report` print."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import Progress

from clbench.archive import find_ledgers
from clbench.compare import compare
from clbench.errors import ClbenchError, unknown
from clbench.grouping import group_records
from clbench.label import labels
from clbench.ledger import Ledger
from clbench.measure import load_metrics
from clbench.report.pair_table import comparison_table, run_table
from clbench.report.terminal import score_table
from clbench.report.update_table import update_table
from clbench.score import RunScores, Scores, score_runs
from clbench.summary import summarise, to_records
from clbench.sweep import Outcome
from clbench.update_flips import flips_of_setups


def print_run(outcome: Outcome, *, as_json: bool) -> None:
    """Print all scores of one run.

    Raises:
        ClbenchError: it broke.
    """
    if outcome.path is None:
        raise ClbenchError(outcome.error or "the run broke")
    scores = _scored([Ledger(outcome.path)], None)
    if as_json:
        _print_json({**_run(scores.runs[0]), "broken": scores.broken})
        return
    Console().print(run_table(scores.runs[0], scores.metrics))
    _print_path("recorded in", outcome.path)


def print_study(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print the score table of the runs that were made.

    Raises:
        ClbenchError: some broke.
    """
    ledgers = [Ledger(outcome.path) for outcome in outcomes if outcome.path]
    if ledgers:
        _print_table(_scored(ledgers, None), None, as_json=as_json)
    _check_whole(outcomes)


def print_made(outcomes: Sequence[Outcome], *, as_json: bool) -> None:
    """Print where the runs of a study lie, without their scores.

    Raises:
        ClbenchError: some broke.
    """
    paths = [str(outcome.path.resolve()) for outcome in outcomes if outcome.path]
    if as_json:
        _print_json({"runs": paths})
    elif paths:
        _print_path(f"{len(paths)} runs in", Path(os.path.commonpath(paths)))
    _check_whole(outcomes)


def _check_whole(outcomes: Sequence[Outcome]) -> None:
    broken = [outcome for outcome in outcomes if outcome.path is None]
    if broken and len(outcomes) == 1:
        raise ClbenchError(broken[0].error or "the run broke")
    if broken:
        raise ClbenchError(f"{len(broken)} of {len(outcomes)} runs broke, as told above")


def print_scores(roots: Sequence[Path], metrics: str | None, *, as_json: bool) -> None:
    """Score all runs under some folders and print the table."""
    names = None if metrics in (None, "all") else metrics.split(",")
    every = metrics == "all"
    scores = _scored(find_ledgers(*roots), names, every=every)
    _print_table(scores, "all" if every else names, as_json=as_json)


def print_comparison(first: str, second: str, roots: Sequence[Path], *, as_json: bool) -> None:
    """Compare two set-ups among the runs under some folders."""
    ledgers = find_ledgers(*roots)
    setups: dict[str, list[Ledger]] = defaultdict(list)
    for ledger, name in zip(ledgers, labels([each.record for each in ledgers]), strict=True):
        setups[name].append(ledger)
    for side in (first, second):
        if side not in setups:
            raise unknown("set-up", side, setups)
    comparison = compare(setups[first], setups[second])
    if as_json:
        _print_json(asdict(comparison))
        return
    Console().print(comparison_table(comparison, load_metrics()[0]))


def print_flips(roots: Sequence[Path], *, as_json: bool) -> None:
    """Print the flip tables of all set-ups among the runs under some folders."""
    setups, left_out = flips_of_setups(find_ledgers(*roots))
    if as_json:
        rows = [{**asdict(each), "updates": [u.record() for u in each.updates]} for each in setups]
        _print_json({"setups": rows, "left_out": left_out})
        return
    Console().print(update_table(setups, left_out))


def print_report(roots: Sequence[Path], output: Path, *, every: bool = False) -> None:
    """Write the HTML report, print the table and the report's path."""
    from clbench.report.page import write_report

    ledgers = find_ledgers(*roots)
    with _bar("writing the report") as progress:
        jobs = _jobs(ledgers)
        scores = write_report(ledgers, output, progress, jobs=jobs, every=every)
    Console().print(score_table(scores))
    _print_path("report:", output.resolve())


def _print_table(scores: Scores, metrics: Sequence[str] | str | None, *, as_json: bool) -> None:
    if as_json:
        rows, groups = to_records(summarise(scores)), group_records(scores.groups)
        left_out = {"unfinished": scores.unfinished, "broken": scores.broken}
        _print_json({"rows": rows, "groups": groups, **left_out})
        return
    Console().print(score_table(scores, metrics))


def _scored(
    ledgers: Sequence[Ledger], metrics: Sequence[str] | None, *, every: bool = False
) -> Scores:
    with _bar("scoring") as progress:
        return score_runs(ledgers, metrics, jobs=_jobs(ledgers), progress=progress, every=every)


def _jobs(ledgers: Sequence[Ledger]) -> int:
    """Processes to score with; starting them costs as much as a hundred runs."""
    return (os.cpu_count() or 1) if len(ledgers) > 100 else 1


@contextmanager
def _bar(title: str) -> Iterator[Callable[[int, int], None]]:
    """A progress bar that vanishes when it is done."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(title)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _run(run: RunScores) -> dict[str, Any]:
    scores = {name: asdict(score) for name, score in run.values.items()}
    return {"path": str(run.path), "record": run.record.model_dump(mode="json"), "scores": scores}


def _print_json(content: Any) -> None:
    json.dump(content, sys.stdout, indent=2, allow_nan=False)
    print()


def _print_path(what: str, path: Path) -> None:
    # Not wrapped, so that it can be clicked or copied.
    Console(soft_wrap=True).print(f"{what} {path}", markup=False, highlight=False)
