"""The command line: parses, calls, prints. Heavy imports wait until a command needs them."""

import errno
import gc
import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from clbench.errors import ClbenchError
from clbench.options import Options, nested, parse_seeds, with_options

app = typer.Typer(
    help="Measure what a model keeps, loses and breaks while it is updated.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Runs = Annotated[list[Path], typer.Argument(help="Folders of runs, searched through.")]
Method = Annotated[str, typer.Argument(help="A method, or file.py:Class.")]
Methods = Annotated[str, typer.Argument(help="Methods, comma-separated.")]
Streams = Annotated[str, typer.Argument(help="Streams, comma-separated.")]
Processes = Annotated[
    int | None, typer.Option("--processes", "-j", min=1, help="Runs at a time; default: cores.")
]
Metrics = Annotated[
    str | None, typer.Option(help="Metrics, comma-separated, or all; default: the headline ones.")
]
STORES = ("originals", "oracles")  # that runs start from
# options of runs alone
OF_RUNS = ("set_", "config", "tuned", "out", "form", "carry", "probe_every", "relearn", "layers")
OUT_OF_OUR_HANDS = (errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EROFS, errno.EIO)


@app.command("list")
def list_(
    group: Annotated[str, typer.Argument(help="methods, streams, sources, metrics or all")] = "all",
    json: Json = False,
) -> None:
    """List what is installed."""
    from clbench.listing import print_catalogue

    print_catalogue(group, as_json=json)


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="A method, stream, source or metric.")],
    json: Json = False,
) -> None:
    """Show all there is to know of one plugin."""
    from clbench.showing import print_details

    print_details(name, as_json=json)


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


@app.command()
@partial(with_options, without=(*OF_RUNS, *STORES))
def ensemble(
    stream: Annotated[str, typer.Argument(help="A registered stream.")],
    *,
    options: Options,
    out: Annotated[Path, typer.Option(help="Folder of the store.")],
    kind: Annotated[
        Literal["originals", "oracles", "masks"], typer.Option(help="What its members are.")
    ] = "originals",
    count: Annotated[int, typer.Option(min=1, help="Seeds; members for each forget update.")] = 100,
    share: Annotated[float, typer.Option(help="Of the samples, in a mask.")] = 0.5,
    ridge: Annotated[
        float | None, typer.Option(help="Solve ridge heads on features, with this penalty.")
    ] = None,
    on: Annotated[
        Literal["auto", "serial", "processes", "ray"],
        typer.Option(help="What trains them; auto: one process or one a core, what is faster."),
    ] = "auto",
    program: Annotated[
        Literal["loop", "vmap", "grouped", "bmm"] | None,
        typer.Option(help="How; default: the fastest in a short trial."),
    ] = None,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Train many models of a stream as one job, into a store (--out) that runs can start from.

    A job that was stopped goes on with the same command; several may fill one store.
    """
    from clbench.ensemble.printing import Wanted, print_ensemble
    from clbench.ensemble.trainer import Where

    wanted = Wanted(kind, count, share, ridge, Where(on, processes, program))
    print_ensemble(stream, wanted, replace(options, out=out), as_json=json)


@app.command()
@partial(with_options, without=(*OF_RUNS, "oracles"))
def attribute(
    stream: Annotated[str, typer.Argument(help="A registered stream.")],
    *,
    options: Options,
    masks: Annotated[Path, typer.Option(help="Store of --kind masks (clbench ensemble).")],
    out: Annotated[Path, typer.Option(help="Folder of the stores, one an attribution.")],
    by: Annotated[
        str, typer.Option(help="ridge, lasso, trak, exact; several, comma-separated.")
    ] = "ridge",
    dimensions: Annotated[int, typer.Option(min=1, help="trak: of the projection.")] = 512,
    damping: Annotated[
        float, typer.Option(min=0, help="trak: share of the kernel's mean diagonal.")
    ] = 1.0,
    ridge: Annotated[
        float | None, typer.Option(help="exact: penalty; default: the masks', or chosen.")
    ] = None,
    json: Json = False,
) -> None:
    """Tell what each training sample adds to margins, and how well that ranks retrained models.

    The linear datamodelling score is of every fifth model of --masks, which nothing is fitted to.
    """
    from clbench.ensemble.attributing import parse_by
    from clbench.ensemble.materials import Wanted
    from clbench.lds_table import print_attributions

    wanted = Wanted(parse_by(by), masks, dimensions, damping, ridge)
    print_attributions(stream, wanted, replace(options, out=out), as_json=json)


@app.command()
def score(runs: Runs, metrics: Metrics = None, json: Json = False) -> None:
    """Score recorded runs: mean and 95 % interval over seeds, best and its ties marked."""
    from clbench.printing import print_scores

    print_scores(runs, metrics, as_json=json)


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A method, as the score table names it.")],
    second: Annotated[str, typer.Argument(help="Another.")],
    runs: Runs,
    json: Json = False,
) -> None:
    """Compare two methods, paired on the same seeds and samples."""
    from clbench.printing import print_comparison

    print_comparison(first, second, runs, as_json=json)


@app.command()
def flips(runs: Runs, json: Json = False) -> None:
    """Show what each update gained and lost, answer by answer, beside the noise of seeds."""
    from clbench.printing import print_flips

    print_flips(runs, as_json=json)


@app.command()
def layers(
    first: Annotated[str, typer.Argument(help="Folder of a run, or a version: FOLDER@VERSION.")],
    second: Annotated[
        str | None, typer.Argument(help="Another one; without, a run is shown by its versions.")
    ] = None,
    measures: Annotated[str | None, typer.Option(help="Similarities, comma-separated.")] = None,
    json: Json = False,
) -> None:
    """Show what changed inside, layer by layer: between two versions, or over the life of a run."""
    from clbench.layer_printing import print_layers

    print_layers(first, second, measures, as_json=json)


@app.command()
def report(
    runs: Runs,
    output: Annotated[Path, typer.Option("--output", "-o", help="The file to write.")] = Path(
        "report.html"
    ),
    all_metrics: Annotated[
        bool,
        typer.Option("--all-metrics", help="Also those of unlearning that take seconds a set-up."),
    ] = False,
) -> None:
    """Write one HTML file with tables and pictures, and print the table."""
    from clbench.printing import print_report

    print_report(runs, output, every=all_metrics)


@app.command("audit-metrics")
def audit_metrics(
    stream: Annotated[str, typer.Option(help="A stream that forgets.")] = "forget-digits-random",
    seeds: Annotated[int, typer.Option(min=2, help="Models of each fault; oracles: twice.")] = 20,
    out: Annotated[Path, typer.Option(help="Folder of the runs.")] = Path("runs/audit"),
    metrics: Annotated[
        str | None, typer.Option(help="Metrics of many models, comma-separated; default: all.")
    ] = None,
    relearn: Annotated[
        bool, typer.Option("--relearn", help="Runs try to bring back what was forgotten, too.")
    ] = False,
    processes: Processes = None,
    json: Json = False,
) -> None:
    """Plant faults in unlearning and show which scores catch which."""
    from clbench.audit.printing import print_audit
    from clbench.settings import Settings

    lanes, settings = processes or os.cpu_count() or 1, Settings(relearn=relearn)
    print_audit(stream, seeds, out, metrics, lanes, settings, as_json=json)


@app.command("new-method")
def new_method(
    name: Annotated[str, typer.Argument(help="Such as my_method; the file is named after it.")],
    folder: Annotated[Path, typer.Option(help="Where to write it.")] = Path(),
    forgets: Annotated[
        bool, typer.Option("--forgets", help="One of unlearning: it forgets samples on request.")
    ] = False,
) -> None:
    """Write a working method and its test."""
    from clbench.template import write_method

    for path in write_method(name, folder, forgets=forgets):
        typer.echo(f"wrote {path}")


@app.command()
def check(
    method: Method,
    set_: Annotated[
        list[str] | None, typer.Option("--set", help="Hyperparameter, key=value.")
    ] = None,
    json: Json = False,
) -> None:
    """Run the contract tests on a method; exit code 2 if it breaks one."""
    from clbench.checking import print_contract

    if not print_contract(method, nested(set_ or [], method), as_json=json):
        raise typer.Exit(2)


def main() -> None:
    """Run a command; what a user can put right is one line and exit code 2."""
    gc.set_threshold(50_000, 20, 20)  # at the usual 700 collecting is an eighth of `list`
    try:
        app()
    except ClbenchError as error:
        _stop(str(error))
    except OSError as error:
        if error.errno not in OUT_OF_OUR_HANDS:
            raise
        _stop(f"{error.filename or 'a file'}: {error.strerror}; what is recorded is not lost")


def _stop(message: str) -> None:
    from rich.console import Console
    from rich.text import Text

    Console(stderr=True, soft_wrap=True).print(Text.assemble(("error: ", "bold red"), message))
    sys.exit(2)
