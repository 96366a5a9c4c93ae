"""Commands that make runs."""

import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from clbench.commands.arguments import Json, Method, Methods, Processes, Streams, app
from clbench.options import Options, parse_seeds, with_options


@app.command()
@with_options
def run(
    method: Method,
    stream: Annotated[str, typer.Argument(help="A registered stream.")],
    *,
    options: Options,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    json: Json = False,
) -> None:
    """Play a stream with a method, record it, score it. A finished run is not run again."""
    from clbench.printing import print_run
    from clbench.studying import make_runs

    cells = options.cells([method], [stream], [seed])
    outcomes = make_runs(cells, processes=1)
    print_run(outcomes[0], as_json=json)


@app.command()
@with_options
def sweep(
    methods: Methods,
    streams: Streams,
    *,
    options: Options,
    seeds: Annotated[str, typer.Option(help="How many (5), or which (0,3,7).")] = "5",
    control_seeds: Annotated[
        str | None,
        typer.Option(help="Of controls, such as the oracles of unlearning; default: --seeds."),
    ] = None,
    stores: Annotated[
        Path | None,
        typer.Option(help="Folder: originals and oracles that runs share are trained there first."),
    ] = None,
    scores: Annotated[bool, typer.Option(help="Score the runs at the end.")] = True,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Play streams with methods and seeds; finished runs are kept, broken ones reported."""
    from clbench.printing import print_made, print_study
    from clbench.running import seeded
    from clbench.studying import make_runs, share_threads

    usual, of_controls = parse_seeds(seeds), parse_seeds(control_seeds or seeds)
    every = sorted({*usual, *of_controls})
    cells = options.cells(methods.split(","), streams.split(","), every)
    cells = seeded(cells, usual, of_controls)
    if stores:
        from clbench.ensemble.bars import train_stores

        cells = train_stores(cells, stores)
    lanes = min(processes or os.cpu_count() or 1, len(cells))
    outcomes = make_runs(share_threads(cells, lanes), lanes)
    if scores:
        print_study(outcomes, as_json=json)
    else:
        print_made(outcomes, as_json=json)


@app.command()
@partial(with_options, without=("out", "tuned", "relearn", "layers", "oracles"))
def tune(
    methods: Methods,
    streams: Streams,
    *,
    options: Options,
    trials: Annotated[int, typer.Option(min=1, help="Settings tried for each method.")] = 20,
    objective: Annotated[str, typer.Option(help="The metric to improve.")] = "average_accuracy",
    seeds: Annotated[str, typer.Option(help="Of a trial: how many, or which (0,3).")] = "1",
    sampler: Annotated[Literal["tpe", "random"], typer.Option(help="What proposes them.")] = "tpe",
    on_test: Annotated[
        bool, typer.Option("--on-test", help="Tune on the evaluated stream; results are marked.")
    ] = False,
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder to write to.")] = Path(
        "tuning"
    ),
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Choose hyperparameters on the tuning stream: the same trials and objective for all methods.

    A trial is a run; a study that was stopped goes on with the same command.
    """
    from clbench.tuning.printing import print_tuning
    from clbench.tuning.search import Budget
    from clbench.tuning.study import load_objective

    kept = replace(options, out=output / "trials")
    cells = kept.cells(methods.split(","), streams.split(","), [0])
    budget = Budget(trials, load_objective(objective), tuple(parse_seeds(seeds)), sampler, on_test)
    print_tuning(cells, budget, output, processes or os.cpu_count() or 1, as_json=json)
