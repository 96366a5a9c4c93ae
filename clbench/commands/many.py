"""Commands that train many models, and what is made of them."""

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import typer

from clbench.commands.arguments import OF_RUNS, STORES, Json, Processes, app
from clbench.options import Options, with_options


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
