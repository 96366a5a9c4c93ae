"""From the `trace.parquet` of each version to accuracies, checked against its predictions."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric import NotMeasured
from clbench.metric.trace import IntArray, Trace
from clbench.prediction import from_parquet
from clbench.reading import PREDICTIONS, Columns
from clbench.tracefile import TRACE

ANSWER = ["eval", "sample", "label", "predicted"]
COLUMNS = ["step", "shown", *ANSWER]


@dataclass(frozen=True)
class Part:
    """The probes of one version: steps and samples shown [P], share of right answers [P, E]."""

    step: npt.NDArray[np.int64]
    shown: npt.NDArray[np.int64]
    accuracy: npt.NDArray[np.float64]


def read_trace(ledger: Ledger, answered: Sequence[Columns], sets: IntArray) -> Trace:
    """The trace of a run on its evaluation sets `sets` [E], numbers of sets in `run.json`.

    `answered` [V] are `eval`, `sample`, `label` and `predicted` of each version on these sets, from
    its predictions. A version that was asked none of them has no probes.

    Raises:
        ClbenchError: a file is missing or altered, its probes are not in order, or they end with
            other answers than the predictions of their version.
    """
    asked = [version for version, table in enumerate(answered) if len(table["eval"])]
    if not asked:
        raise NotMeasured("no version was asked anything")
    parts = [_part(ledger, version, answered[version], sets) for version in asked]
    before = np.cumsum([0, *(part.shown[-1] for part in parts)])
    return Trace(
        version=np.repeat(asked, [len(part.step) for part in parts]),
        step=np.concatenate([part.step for part in parts]),
        shown=np.concatenate([n + part.shown for n, part in zip(before[:-1], parts, strict=True)]),
        accuracy=np.concatenate([part.accuracy for part in parts]),
    )


def _part(ledger: Ledger, version: int, answered: Columns, sets: IntArray) -> Part:
    where = f"{ledger.folder(version) / TRACE}"
    whole = from_parquet(ledger.read(version, TRACE), COLUMNS, where)
    rows = np.isin(whole["eval"], sets)
    table = _probes({name: column[rows] for name, column in whole.items()}, where)
    last = {name: column[-1] for name, column in table.items()}
    if not _agree(last, answered):
        raise ClbenchError(
            f"{where}: the last probe does not give the answers of {PREDICTIONS}; rerun "
            f"{ledger.path}"
        )
    right = table["predicted"] == table["label"]
    accuracy = np.full((len(right), len(sets)), np.nan)
    for column, each in enumerate(sets):
        if (mine := last["eval"] == each).any():
            accuracy[:, column] = right[:, mine].mean(axis=1)
    return Part(table["step"][:, 0], table["shown"][:, 0], accuracy)


def _probes(table: Columns, where: str) -> Columns:
    """Columns [P, n] of probes that all ask the same n samples, as time goes on."""
    first = (table["eval"] == table["eval"][:1]) & (table["sample"] == table["sample"][:1])
    count = int(first.sum())
    whole = count > 0 and len(first) % count == 0
    found = {name: column.reshape(count, -1) for name, column in table.items()} if whole else {}
    same = whole and all((found[k] == found[k][0]).all() for k in ("eval", "sample", "label"))
    times = [found[k] for k in ("step", "shown")] if same else []
    if not same or any((t != t[:, :1]).any() or (np.diff(t[:, 0]) < 0).any() for t in times):
        raise ClbenchError(f"{where}: the rows are not probes of the same samples, one by one")
    return found


def _agree(last: Columns, answered: Columns) -> bool:
    """Whether a probe [n] asks every set of a version's predictions and agrees with them."""
    asked, given = ({*zip(*(t[k].tolist() for k in ANSWER), strict=True)} for t in (last, answered))
    return asked <= given and {*last["eval"].tolist()} == {*answered["eval"].tolist()}
