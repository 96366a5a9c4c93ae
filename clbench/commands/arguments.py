"""The program and what its commands share: names of arguments and options."""

from pathlib import Path
from typing import Annotated

import typer

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
