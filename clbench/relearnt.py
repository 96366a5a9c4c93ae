"""What `--relearn` recorded of a crowd: from the files of ledgers to arrays, checked."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.metric.relearnt import Relearning
from clbench.reading import read_json
from clbench.relearnfile import ORIGINAL, RELEARNT, Curve, Missing, Original, Recovery, Relearnt

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]

RECOVERIES = ("head", "full", "prototypes")
Part = TypeVar("Part", Curve, Recovery)


@dataclass(frozen=True)
class Attacks:
    """The records of N models: before they were to forget, and of the attacks after."""

    originals: tuple[Original, ...]
    unlearned: tuple[Relearnt, ...]

    def relearning(self, models: IntArray) -> Relearning:
        """The curves of some models.

        Raises:
            NotMeasured: one has none.
        """
        originals = [self.originals[i] for i in models]
        curves = [_measured(self.unlearned[i].relearning) for i in models]
        n, first = originals[0].forgotten, curves[0]
        return Relearning(
            steps=np.array(first.steps),
            epoch=first.epoch,
            accuracy=np.array([each.correct for each in curves]) / n,
            loss=np.array([each.loss for each in curves]),
            original_accuracy=np.array([each.correct for each in originals]) / n,
            original_loss=np.array([each.loss for each in originals]),
        )

    def recovery(self, models: IntArray) -> "RecoveryOf":
        """{attack: [N, 2]} accuracies of some models before and after it."""
        return RecoveryOf([self.unlearned[i] for i in models])

    def neighbours(self, models: IntArray) -> tuple[IntArray, ...]:
        """[N] of train ids of the retained samples nearest to what was forgotten."""
        return tuple(np.array(self.originals[i].neighbours, dtype=np.int64) for i in models)


class RecoveryOf(Mapping[str, FloatArray]):
    """[N, 2] accuracies on what was forgotten before and after each of `RECOVERIES`.

    They are of the forgotten samples that the attacker did not have.

    Raises:
        NotMeasured: an attack could not be tried on a model.
    """

    def __init__(self, records: Sequence[Relearnt]) -> None:
        self._records = records

    def __getitem__(self, name: str) -> FloatArray:
        if name not in RECOVERIES:
            raise KeyError(name)
        found = [_measured(getattr(each, name)) for each in self._records]
        return np.array([[each.before / each.asked, each.correct / each.asked] for each in found])

    def __iter__(self) -> Iterator[str]:
        return iter(RECOVERIES)

    def __len__(self) -> int:
        return len(RECOVERIES)


def read_attacks(ledgers: Sequence[Ledger], original: int, unlearned: int) -> Attacks:
    """What runs recorded of two versions.

    Raises:
        NotMeasured: they were recorded without --relearn.
        ClbenchError: a file is missing, altered, does not fit its schema, or is about other numbers
            of samples or steps than the rest.
    """
    if ledgers[0].record.relearn is None:
        raise NotMeasured("recorded without --relearn")
    found = Attacks(
        tuple(read_json(each, original, ORIGINAL, Original) for each in ledgers),
        tuple(read_json(each, unlearned, RELEARNT, Relearnt) for each in ledgers),
    )
    updates = ledgers[0].record.stream.updates
    asked = sum(update.samples for update in updates if update.kind == "forget")
    grids = [each.relearning for each in found.unlearned if isinstance(each.relearning, Curve)]
    for ledger, before, after in zip(ledgers, found.originals, found.unlearned, strict=True):
        for version, name, record in ((original, ORIGINAL, before), (unlearned, RELEARNT, after)):
            if record.forgotten != asked:
                raise ClbenchError(
                    f"{ledger.folder(version) / name}: forgotten is {record.forgotten}, but "
                    f"run.json says {asked}; rerun {ledger.path}"
                )
        curve = after.relearning
        if isinstance(curve, Curve) and (curve.epoch, curve.steps) != _grid(grids[0]):
            raise ClbenchError(
                f"{ledger.folder(unlearned) / RELEARNT}: relearning was looked at after other "
                f"steps than that of {ledgers[0].path}; rerun {ledger.path}"
            )
    return found


def _grid(curve: Curve) -> tuple[int, tuple[int, ...]]:
    return curve.epoch, curve.steps


def _measured(part: Part | Missing) -> Part:
    if isinstance(part, Missing):
        raise NotMeasured(part.why)
    return part
