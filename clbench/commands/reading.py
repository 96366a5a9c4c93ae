"""Commands that read what is recorded."""

from pathlib import Path
from typing import Annotated

import typer

from clbench.commands.arguments import Json, Metrics, Runs, app


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
