"""What pictures of unlearning show of set-ups beside their oracles, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from clbench.crowd import Crowd, FloatArray, IntArray
from clbench.grouping import GroupRow
from clbench.ledger import Ledger
from clbench.metric import NotMeasured
from clbench.metric.klom import klom
from clbench.recipes import idle_control
from clbench.recorded import crowd_of_runs
from clbench.report.group_cells import Table
from clbench.report.section import Section
from clbench.sides import Sides

PERCENTILES = np.arange(0, 101, 5)
SPLITS = 4
POINTS = 1000


@dataclass(frozen=True)
class Shape:
    """A set-up, N models against M oracles.

    `sample` are the margins [N] of one forgotten sample, `klom` [percentiles] the mean over splits
    of the percentiles of KLoM over forgotten samples, with as many models as the null has.
    """

    row: GroupRow
    sample: FloatArray
    klom: FloatArray | None


@dataclass(frozen=True)
class Shapes:
    """All set-ups of a stream with the oracles' part.

    `oracles` [M] are their margins of that sample, `null` [SPLITS, percentiles] KLoM of half of
    them against the other half.
    """

    shapes: list[Shape]
    id: int  # of the sample, in the training split
    oracles: FloatArray
    null: FloatArray | None
    models: int  # a side, in KLoM


def shapes(section: Section, table: Table) -> Shapes | None:
    """What can be drawn of a stream that forgets; None where there are no oracles to compare with.

    The sample is the one whose margins doing nothing leaves farthest from the oracles', in their
    own spread; without runs that ignore requests, that of the first set-up's originals.
    """
    names = [row.oracles for row in table.rows if row.oracles]
    if not names:
        return None
    rows = [row for row in table.rows if row.oracles == names[0]]
    crowds = {row.label: _crowd(section, row.label) for row in rows}
    oracles = crowds[names[0]]
    try:
        known = Sides(oracles, None).margins["forget"].astype(np.float64)
        point = _farthest(crowds, known)
        k = len(oracles) // 2
        found = [
            Shape(row, _margins(crowds[row.label])[:, point], _klom(crowds[row.label], oracles, k))
            for row in rows
            if row.label != names[0]
        ]
        sample = int(oracles.samples[oracles.rows("forget")[point]])
    except NotMeasured:
        return None
    return Shapes(found, sample, known[:, point], _null(known, k), k)


def _crowd(section: Section, label: str) -> Crowd:
    return crowd_of_runs([Ledger(run.path) for run in section.runs[label]], label)


def _margins(crowd: Crowd) -> FloatArray:
    return np.asarray(Sides(crowd, None).margins["forget"], dtype=np.float64)


def _farthest(crowds: dict[str, Crowd], oracles: FloatArray) -> int:
    """The forgotten sample that is remembered most."""
    some = next(iter(crowds.values()))
    name = idle_control(some.stream)
    idle = next((crowd for label, crowd in crowds.items() if label.startswith(name)), some)
    before = Sides(idle, None).original_margins["forget"]
    spread = np.maximum(oracles.std(axis=0), 1e-3)
    return int(((before.mean(axis=0) - oracles.mean(axis=0)) / spread).argmax())


def _klom(crowd: Crowd, oracles: Crowd, k: int) -> FloatArray | None:
    """Percentiles of KLoM over forgotten samples; None below 3 models a side."""
    if min(k, len(crowd)) < 3:
        return None
    own, known = (_margins(each)[:, :POINTS] for each in (crowd, oracles))
    curves = []
    for judges, _ in _halves(len(oracles), k):
        shared = np.isin(crowd.seeds, oracles.seeds[judges])
        models = np.argsort(shared, kind="stable")[:k]
        curves.append(np.percentile(klom(own[models], known[judges]), PERCENTILES))
    return np.asarray(np.mean(curves, axis=0))


def _null(known: FloatArray, k: int) -> FloatArray | None:
    if k < 3:
        return None
    known = known[:, :POINTS]
    pairs = _halves(len(known), k)
    return np.array([np.percentile(klom(known[b], known[a]), PERCENTILES) for a, b in pairs])


def _halves(known: int, k: int) -> Sequence[tuple[IntArray, IntArray]]:
    rng = np.random.default_rng(0)
    orders = [rng.permutation(known) for _ in range(SPLITS)]
    return [(order[:k], order[k : 2 * k]) for order in orders]
