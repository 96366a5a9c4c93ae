"""`clbench attribute` prints how well attributions rank retrained models, side by side."""

import json
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from clbench.ensemble.attributing import Attributed, attribute
from clbench.ensemble.datamodels import FloatArray
from clbench.ensemble.materials import Wanted
from clbench.options import Options
from clbench.statistics import mean_interval

SPLITS = ("train", "test")


@dataclass(frozen=True)
class Mean:
    """The mean score of queries, with its 95 % interval over them; None where none has a score.

    The queries are held against the same models, of which another draw would move them together:
    the interval does not tell how far.
    """

    mean: float | None
    low: float | None
    high: float | None
    queries: int
    undefined: int

    @property
    def text(self) -> str:
        """As it is read; queries without a score are counted."""
        if self.mean is None or self.high is None:
            return f"not measured: of {self.queries} queries no margins, or no scores, vary"
        left_out = f" ({self.undefined} of {self.queries} undefined)" if self.undefined else ""
        return f"{self.mean:.3f} ± {self.high - self.mean:.3f}{left_out}"


def mean_score(scores: FloatArray) -> Mean:
    """Of scores [queries], NaN where they are not defined."""
    defined = scores[np.isfinite(scores)]
    missing = len(scores) - len(defined)
    if len(defined) < 2:
        return Mean(None, None, None, len(scores), missing)
    low, high = mean_interval(defined.tolist())
    return Mean(float(defined.mean()), low, high, len(scores), missing)


def print_attributions(stream: str, wanted: Wanted, options: Options, *, as_json: bool) -> None:
    """Write stores of attributions, and print the linear datamodelling score of each.

    Raises:
        ClbenchError: a name, option or store is wrong, before anything is computed.
    """
    with _bars() as progress:
        found = attribute(stream, wanted, options, progress)
    rows = [_described(each) for each in found]
    if as_json:
        json.dump(
            {"stream": stream, "masks": str(wanted.masks.resolve()), "attributions": rows},
            sys.stdout,
            indent=2,
            allow_nan=False,
        )
        print()
        return
    Console().print(_table(rows))
    line = f"stores: {options.out.resolve()}"
    Console(soft_wrap=True).print(line, markup=False, highlight=False)


def _described(found: Attributed) -> dict[str, Any]:
    lds = np.array(found.store.read("lds"))
    n = len(found.store.constant("train"))
    return {
        "attribution": found.by,
        "fitted": found.fitted,
        "held_out": found.held,
        "penalty": float(found.store.read("penalty")[0]),
        "lds": {
            name: asdict(mean_score(part))
            for name, part in zip(SPLITS, (lds[:n], lds[n:]), strict=True)
        },
        "seconds": float(np.sum(found.store.read("seconds"))),
        "path": str(found.store.path.resolve()),
        "fingerprint": found.store.spec.fingerprint,
    }


def _table(rows: Sequence[dict[str, Any]]) -> Table:
    table = Table("attribution", *(f"LDS, {name}" for name in SPLITS))
    for heading in ("fitted", "held out", "seconds"):
        table.add_column(heading, justify="right")
    for row in rows:
        scores = [Mean(**row["lds"][name]).text for name in SPLITS]
        counts = [str(row["fitted"] or "-"), str(row["held_out"]), f"{row['seconds']:.1f}"]
        table.add_row(row["attribution"], *scores, *counts)
    return table


@contextmanager
def _bars() -> Iterator[Callable[[str, int, int], None]]:
    """A progress bar for each attribution, from its first call on."""
    with Progress(console=Console(stderr=True), transient=True) as progress:
        tasks: dict[str, Any] = {}

        def advance(by: str, done: int, total: int) -> None:
            if by not in tasks:
                tasks[by] = progress.add_task(by)
            progress.update(tasks[by], completed=done, total=total)

        yield advance
