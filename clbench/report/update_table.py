"""The flips of each update as a table for a terminal: the five cells, and what they amount to."""

from collections.abc import Sequence
from itertools import groupby

from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clbench.metric.base import NotMeasured
from clbench.metric.flip_table import FlipTable
from clbench.report.cells import plain
from clbench.report.number import with_margin
from clbench.update_flips import SetupFlips, UpdateFlips

CELLS = ("RR", "NF", "PF", "WS", "WD")
COLUMNS = (*CELLS, "NFR %", "least-most", "relative", "noise", "graded %", "noise")
LEGEND = (
    "Answers to what the version before an update had learnt, of all seeds: RR right before and "
    "after, NF lost, PF gained, WS wrong alike, WD wrong in another way. NFR is NF of all, ± half "
    "a 95 % t interval over seeds; least-most is what the two accuracies alone allow; relative is "
    "1 where the versions err independently. graded: the right label lost more than 0.1 of "
    "probability. noise: the same between seeds of the newer version."
)


def update_table(setups: Sequence[SetupFlips], left_out: Sequence[str]) -> RenderableType:
    """A table a stream, a row for each update of each set-up."""
    parts: list[RenderableType] = []
    for stream, some in groupby(setups, lambda each: each.stream):
        parts += [Text(plain(stream), style="bold"), Text(), _table(list(some)), Text()]
    parts.append(Text(LEGEND, style="dim"))
    parts += [Text(f"left out: {plain(each)}", style="yellow") for each in left_out]
    return Group(*parts)


def _table(setups: Sequence[SetupFlips]) -> Table:
    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False)
    table.add_column("method")
    table.add_column("n", justify="right")
    table.add_column("update")
    for name in COLUMNS:
        table.add_column(name, justify="right")
    for each in setups:
        for i, update in enumerate(each.updates):
            first = (plain(each.label), str(len(each.seeds))) if not i else ("", "")
            table.add_row(*first, f"{update.version} {update.kind}", *_cells(update))
    return table


def _cells(update: UpdateFlips) -> list[str]:
    flips, interval = update.flips, update.interval
    half = None if interval is None else (interval.high - interval.low) / 2
    low, high = (f"{100 * end:.1f}" for end in flips.negative_flip_rate_bounds)
    return [
        *map(str, (flips.rr, flips.nf, flips.pf, flips.ws, flips.wd)),
        with_margin("fraction", flips.negative_flip_rate, half),
        f"{low}-{high}",
        _relative(flips),
        _noise(update.noise),
        with_margin("fraction", update.graded.negative_flip_rate, None),
        _noise(update.graded_noise),
    ]


def _relative(flips: FlipTable) -> str:
    try:
        return f"{flips.relative_negative_flip_rate:.2f}"
    except NotMeasured:
        return "–"


def _noise(value: float | None) -> str:
    return "–" if value is None else with_margin("fraction", value, None)
