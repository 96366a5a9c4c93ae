"""Tuning several methods on several streams, round by round, under one budget.

A trial is an ordinary run, kept in a ledger: what is finished is not trained again, and a study
that was stopped goes on with the same command.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from clbench.errors import ClbenchError
from clbench.measure import load_group_metrics, load_metrics
from clbench.metric import Metric
from clbench.running import planned
from clbench.studying import make_runs, share_threads
from clbench.sweep import DIED, Cell, Outcome
from clbench.tuning.applying import tuning_stream
from clbench.tuning.appraisal import judged, oracle_cells
from clbench.tuning.search import Budget, Search
from clbench.tuning.space import Setting

STARTUP = 10  # trials of TPE that are drawn without looking at values, so all in one round


def tune(cells: Sequence[Cell], budget: Budget, processes: int) -> list[Search]:
    """Search for every cell's method on its stream; a cell a method and stream, of any seed.

    Raises:
        ClbenchError: a name, hyperparameter, space or protocol is wrong (before any training), no
            trial of a method has a value, or a process died.
    """
    searches = [
        Search(cell.stream.preset, replace(cell, stream=stream), budget)
        for cell in cells
        for stream in [tuning_stream(cell.stream, on_test=budget.on_test)]
    ]
    if judged(budget.objective):
        _train_oracles(searches, processes)
    for numbers in _rounds(budget):
        _play(searches, numbers, processes, f"of {budget.trials}")
    return searches


def load_objective(name: str) -> Metric:
    """A metric that says of a single run, or of some runs beside oracles, which are better.

    Raises:
        ClbenchError: there is no such metric, it has no direction, or needs runs of other methods.
    """
    (metric,) = (load_metrics([name])[0] | load_group_metrics([name])[0]).values()
    if metric.direction == "neither":
        raise ClbenchError(
            f"objective {metric.id} has no better or worse; take one that has: clbench list metrics"
        )
    if needs := [need for need in metric.needs if need.startswith("joint")]:
        raise ClbenchError(
            f"objective {metric.id} needs {needs[0]}, the run of another method; take one that is "
            "a number for a run by itself, such as average_accuracy"
        )
    return metric


def _train_oracles(searches: Sequence[Search], processes: int) -> None:
    """Retrain without what is forgotten, on the streams of the searches; one recipe once."""
    wanted = [oracle_cells(search.base, len(search.budget.seeds)) for search in searches]
    cells: list[Cell] = []
    for cell in (cell for batch in wanted for cell in batch):
        if cell not in cells:
            cells.append(cell)
    outcomes = _made(cells, processes, "oracles, ")
    if errors := [outcome.error for outcome in outcomes if outcome.error]:
        raise ClbenchError(f"an oracle of the tuning stream: {errors[0]}")
    for search, batch in zip(searches, wanted, strict=True):
        search.oracles = [planned(cell)[0] for cell in batch]


def _made(cells: Sequence[Cell], processes: int, title: str) -> list[Outcome]:
    lanes = min(processes, len(cells))
    return make_runs(share_threads(cells, lanes), lanes, title)


def _rounds(budget: Budget) -> Iterator[range]:
    """Numbers of trials that are played together: those that wait for no other's value."""
    first = min(budget.trials, STARTUP) if budget.sampler == "tpe" else budget.trials
    yield range(first)
    yield from (range(number, number + 1) for number in range(first, budget.trials))


def _refused(search: Search, number: int, setting: Setting) -> bool:
    """Note a setting that cannot be, such as more layers than there are, as a trial that failed.

    Raises:
        ClbenchError: it is the one that the search starts from: the user's, to be put right.
    """
    try:
        planned(search.cells(setting)[0])
    except ClbenchError as error:
        if number == 0:
            raise
        search.refuse(number, setting, str(error))
        return True
    return False


def _play(searches: Sequence[Search], numbers: range, processes: int, title: str) -> None:
    """Play some trials of all searches, and tell each what came of its own."""
    asked = [
        (search, number, search.ask(number))
        for number in numbers
        for search in searches
        if number < search.length
    ]
    asked = [trial for trial in asked if not _refused(*trial)]
    batches = [search.cells(setting) for search, _, setting in asked]
    cells = [cell for batch in batches for cell in batch]
    last = f"{numbers[0] + 1}" + f" to {numbers[-1] + 1}" * (len(numbers) > 1)
    outcomes = iter(_made(cells, processes, f"trial {last} {title}, ") if cells else ())
    for (search, number, setting), batch in zip(asked, batches, strict=True):
        made = [next(outcomes) for _ in batch]
        if any(outcome.error == DIED for outcome in made):
            raise ClbenchError(f"trial {number + 1} of {search.base.method}: {DIED}")
        search.tell(number, setting, made)
    for search in searches:
        search.trials.sort(key=lambda trial: trial.number)
        search.check_worth()
