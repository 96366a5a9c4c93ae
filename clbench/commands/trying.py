"""Commands that try metrics and methods, and begin new ones."""

import os
from pathlib import Path
from typing import Annotated

import typer

from clbench.commands.arguments import Json, Method, Processes, app
from clbench.options import nested


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
