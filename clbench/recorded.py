"""The answers of a crowd that are in ledgers: one run a model."""

from collections.abc import Sequence

import numpy as np

from clbench.crowd import Array, Crowd, FloatArray, IntArray
from clbench.errors import ClbenchError, listing
from clbench.galleries import read_gallery
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.reading import Clock, Cost, read_each, read_version
from clbench.relearnt import Attacks, read_attacks

SMALL = {"predicted": np.int32, "margin": np.float32}  # what nearly all metrics ask for
QUESTION = ["eval", "sample", "label"]
SAME = ("fingerprint", "source_fingerprint")


def crowd_of_runs(ledgers: Sequence[Ledger], label: str = "") -> Crowd:
    """All given runs as one crowd, by seed.

    Raises:
        ClbenchError: there are none; one is not finished; or two are of other streams, sources,
            forms or set-ups, or have one seed.
    """
    if not ledgers:
        raise ClbenchError("a crowd needs at least one finished run")
    ordered = sorted(ledgers, key=lambda ledger: ledger.record.seed)
    _check_alike(ordered)
    first = ordered[0].record
    seeds = [ledger.record.seed for ledger in ordered]
    return Crowd(label or first.method.name, first.stream, seeds, RecordedAnswers(ordered))


class RecordedAnswers:
    """Columns [N, n] of N ledgers, read version by version and then kept."""

    def __init__(self, ledgers: Sequence[Ledger]) -> None:
        self._ledgers = ledgers
        self._versions = len(ledgers[0].record.stream.updates) + 1
        self._asked: dict[int, tuple[IntArray, IntArray]] = {}
        self._kept: dict[tuple[int, str], Array] = {}
        self._spent: dict[str, FloatArray] = {}
        self._embedded: dict[int, tuple[list[FloatArray], IntArray]] = {}

    def questions(self) -> tuple[IntArray, IntArray]:
        """Ids and labels [n] of the last version."""
        return self._questions_of(self._versions - 1)

    def column(self, version: int, name: str) -> Array:
        """[N, n, ...] of a column; all runs are read once for the usual ones."""
        if name == "logits" and self._ledgers[0].record.form != "full":
            raise NotMeasured("all logits are recorded with --form full alone")
        if (version, name) not in self._kept:
            names = list(SMALL) if name in SMALL else [name]
            self._read(version, names)
        return self._kept[version, name]

    def spent(self, name: str) -> FloatArray:
        """[N, V] of a cost, V versions."""
        kinds = {store.kind for each in self._ledgers for store in each.record.stores}
        if name == "seconds" and "oracles" in kinds:
            raise NotMeasured(
                "models were trained together, in a store: no one's seconds are known"
            )
        if name not in self._spent:
            self._spent[name] = np.array(
                [_spent(each, self._versions, name) for each in self._ledgers]
            )
        return self._spent[name]

    def embedded(self, version: int) -> tuple[list[FloatArray], IntArray]:
        """[N] of embeddings [n, d] by a version, and the test ids [n]: read once, then kept."""
        if version not in self._embedded:
            found = [read_gallery(ledger, version) for ledger in self._ledgers]
            for ledger, (_, samples) in zip(self._ledgers, found, strict=True):
                if not np.array_equal(samples, found[0][1]):
                    raise ClbenchError(
                        f"{ledger.path}: version {version} embeds other samples than "
                        f"{self._ledgers[0].path}, or in another order; rerun one of them"
                    )
            self._embedded[version] = [each for each, _ in found], found[0][1]
        return self._embedded[version]

    def relearn_attacks(self, original: int, unlearned: int) -> Attacks:
        """What relearning attacks on two versions of each run recorded."""
        return read_attacks(self._ledgers, original, unlearned)

    def _read(self, version: int, names: list[str]) -> None:
        samples, labels = self._questions_of(version)
        for row, ledger in enumerate(self._ledgers):
            table = read_version(ledger, version, [*QUESTION, *names])
            for name, expected in (("sample", samples), ("label", labels)):
                if not np.array_equal(table[name], expected):
                    raise ClbenchError(
                        f"{ledger.path}: version {version} was asked other {name}s than "
                        f"{self._ledgers[0].path}, or in another order; rerun one of them"
                    )
            for name in names:
                column = table[name].astype(SMALL.get(name, table[name].dtype), copy=False)
                if not row:
                    shape = (len(self._ledgers), *column.shape)
                    self._kept[version, name] = np.empty(shape, column.dtype)
                self._kept[version, name][row] = column
        for name in names:
            self._kept[version, name].flags.writeable = False

    def _questions_of(self, version: int) -> tuple[IntArray, IntArray]:
        if version not in self._asked:
            self._asked[version] = _asked(self._ledgers[0], version)
        return self._asked[version]


def _asked(ledger: Ledger, version: int) -> tuple[IntArray, IntArray]:
    table = read_version(ledger, version, QUESTION)
    return table["sample"], table["label"]


def _spent(ledger: Ledger, versions: int, name: str) -> list[float]:
    if name == "flops":
        costs = read_each(ledger, versions, "cost.json", Cost)
        return [float(each.flops_learn) for each in costs]
    clocks = read_each(ledger, versions, "clock.json", Clock)
    return [each.learn_seconds for each in clocks]


def _check_alike(ledgers: Sequence[Ledger]) -> None:
    """That runs differ in their seeds alone."""
    first = ledgers[0]
    for ledger in ledgers:
        if not ledger.finished:
            raise ClbenchError(f"{ledger.path} is not finished; run it again to go on")
        for field in SAME:
            mine, theirs = getattr(first.record.stream, field), getattr(ledger.record.stream, field)
            if mine != theirs:
                raise ClbenchError(
                    f"{first.path} and {ledger.path} have another stream.{field} "
                    f"({mine[:12]} and {theirs[:12]}); a crowd has one"
                )
        if first.record.form != ledger.record.form:
            raise ClbenchError(
                f"{first.path} is recorded in the form {first.record.form} and {ledger.path} in "
                f"{ledger.record.form}; a crowd has one"
            )
    setups = {ledger.record.setup for ledger in ledgers}
    if len(setups) > 1:
        names = listing(sorted({ledger.record.method.name for ledger in ledgers}))
        raise ClbenchError(f"a crowd is of one set-up; these runs of {names} have {len(setups)}")
