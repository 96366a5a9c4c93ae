"""Commands that show what is installed."""

from typing import Annotated

import typer

from clbench.commands.arguments import Json, app


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
