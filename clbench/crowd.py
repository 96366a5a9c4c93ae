"""A crowd: all finished runs of one set-up on one stream, as arrays over models and points.

N models, one a seed, were put the same n questions. A column of their answers is one array
[N, n], read version by version when it is asked for: the margins of 100 models at 60,000 points
are 24 MB. Where the answers lie is the business of `Answers`: in ledgers, or in arrays that
something else trained.
"""

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.record import StreamRecord
from clbench.relearnt import Attacks

Array = npt.NDArray[Any]
IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.floating]

FORGET, RETAIN, TEST, FORGOTTEN = "forget", "retain", "test", "test-forgotten"


class Answers(Protocol):
    """Where the answers of a crowd lie."""

    def questions(self) -> tuple[IntArray, IntArray]:
        """Ids and labels [n] of the samples put to every model, set after set."""
        ...

    def column(self, version: int, name: str) -> Array:
        """[N, n, ...] of `predicted`, `margin` or another recorded column, read-only.

        Raises:
            NotMeasured: it was not recorded.
        """
        ...

    def spent(self, name: str) -> FloatArray:
        """[N, V] of `flops` or `seconds`: what each update of each model cost.

        Raises:
            NotMeasured: it was not recorded.
        """
        ...

    def embedded(self, version: int) -> tuple[Sequence[FloatArray], IntArray]:
        """[N] of embeddings [n, d] of a probe by a version of each model, and its test ids [n].

        Raises:
            NotMeasured: they were not recorded.
        """
        ...

    def relearn_attacks(self, original: int, unlearned: int) -> Attacks:
        """What relearning attacks on two versions of each model recorded.

        Raises:
            NotMeasured: there were none.
        """
        ...


class Crowd:
    """N models of one set-up.

    Attributes:
        label: the set-up's name in tables.
        stream: what all its models were taught and asked.
        seeds: [N] of the models; original i of two crowds with one recipe is the same model.

    Raises:
        ClbenchError: a seed comes twice.
    """

    def __init__(
        self, label: str, stream: StreamRecord, seeds: Sequence[int], answers: Answers
    ) -> None:
        self.label, self.stream, self.seeds = label, stream, np.array(seeds, dtype=np.int64)
        self._answers = answers
        self._each: dict[str, FloatArray] = {}
        self._rows: dict[tuple[str, int | None], IntArray] = {}
        if len(np.unique(self.seeds)) < len(self.seeds):
            twice = sorted({seed for seed in seeds if list(seeds).count(seed) > 1})
            raise ClbenchError(f"{label}: seed {twice[0]} comes twice; leave one out")

    def __len__(self) -> int:
        return len(self.seeds)

    # -- versions ---------------------------------------------------------------------------

    @cached_property
    def original(self) -> int:
        """The version that the first forget update starts from.

        Raises:
            NotMeasured: the stream forgets nothing.
        """
        return self._forgetting[0]

    @cached_property
    def unlearned(self) -> int:
        """The version that the last forget update makes."""
        return self._forgetting[-1] + 1

    @cached_property
    def relearned(self) -> int:
        """The last version, where something was learnt after all was forgotten.

        Raises:
            NotMeasured: nothing was.
        """
        if self.unlearned == len(self.stream.updates):
            raise NotMeasured("nothing is learnt again after the last forget update")
        return len(self.stream.updates)

    @property
    def _forgetting(self) -> list[int]:
        found = [update.index for update in self.stream.updates if update.kind == "forget"]
        if not found:
            raise NotMeasured(f"{self.stream.name} has no forget update")
        return found

    # -- questions and answers --------------------------------------------------------------

    @cached_property
    def labels(self) -> IntArray:
        """[n] right answers, set after set."""
        return self._answers.questions()[1]

    @cached_property
    def samples(self) -> IntArray:
        """[n] ids in the split of each set."""
        return self._answers.questions()[0]

    def rows(self, name: str, most: int | None = None) -> IntArray:
        """Where the points of a set are among all n; `forget` is all that was to be forgotten.

        Of more than `most` so many, drawn once: the same for all crowds on the stream. Ascending.

        Raises:
            NotMeasured: there is no such set, or it is empty.
        """
        if (name, most) not in self._rows:
            rows = self._rows_of(name)
            if most is not None and len(rows) > most:
                rows = np.sort(np.random.default_rng(0).choice(rows, most, replace=False))
            self._rows[name, most] = rows
        return self._rows[name, most]

    def _rows_of(self, name: str) -> IntArray:
        evals = self.stream.evals
        ends = np.cumsum([each.samples for each in evals])
        parts = [
            np.arange(end - each.samples, end)
            for each, end in zip(evals, ends, strict=True)
            if each.name == name or (name == FORGET and each.name.startswith(f"{FORGET}-"))
        ]
        if not parts or not sum(map(len, parts)):
            state = "is empty" if parts else "is not among the evaluation sets"
            raise NotMeasured(f"{name} {state} of {self.stream.name}")
        return np.concatenate(parts)

    def column(self, version: int, name: str, rows: IntArray, models: IntArray) -> Array:
        """[models, rows, ...] of a recorded column, a copy; rows ascend.

        Raises:
            NotMeasured: it was not recorded, or this version was not asked these points.
        """
        whole = self._answers.column(version, name)
        low, high = int(rows.min()), int(rows.max()) + 1
        if high > whole.shape[1]:
            raise NotMeasured(f"version {version} was not asked yet what later ones were")
        if high - low == len(rows):  # all of a set: ten times as fast as picking points
            return np.asarray(whole[models, low:high])
        return np.asarray(whole[np.ix_(models, rows)])

    def embedded(self, version: int, models: IntArray) -> tuple[FloatArray, ...]:
        """[models] of embeddings [n, d] of the probe: test samples that all versions embed.

        Raises:
            NotMeasured: they were not recorded.
        """
        found, _ = self._answers.embedded(version)
        return tuple(found[model] for model in models)

    def probe(self) -> IntArray:
        """[n] where the samples of the probe are first among the questions.

        Raises:
            NotMeasured: embeddings were not recorded, or a sample of them was never asked.
        """
        ids = self._answers.embedded(self.unlearned)[1]
        ends = np.cumsum([0, *(each.samples for each in self.stream.evals)])
        of_test = np.repeat([each.split == TEST for each in self.stream.evals], np.diff(ends))
        rows = np.flatnonzero(of_test)
        asked, first = np.unique(self.samples[rows], return_index=True)
        if not np.isin(ids, asked).all():
            raise NotMeasured("embeddings are of samples that no evaluation set has")
        return np.asarray(rows[first[np.searchsorted(asked, ids)]])

    def check_same_probe(self, other: "Crowd") -> None:
        """Refuse a crowd that embeds other samples, or in another order.

        Raises:
            NotMeasured: embeddings were not recorded.
            ClbenchError: the samples differ.
        """
        own, theirs = (each._answers.embedded(each.unlearned)[1] for each in (self, other))
        if not np.array_equal(own, theirs):
            raise ClbenchError(
                f"{self.label} and {other.label} embed other samples, or in another order, on the "
                "same stream; rerun one of them"
            )

    def of_each(self, name: str, work: Callable[[int], float]) -> FloatArray:
        """[N] of what `work` finds for each model by itself, worked out once and kept by name."""
        if name not in self._each:
            self._each[name] = np.array([work(model) for model in range(len(self))])
        return self._each[name]

    def forgetting_cost(self, name: str) -> FloatArray:
        """[N] `flops` or `seconds` of all forget updates."""
        spent = self._answers.spent(name)
        return np.asarray(spent[:, [index + 1 for index in self._forgetting]].sum(axis=1))

    @cached_property
    def relearn_attacks(self) -> Attacks:
        """What relearning attacks brought back, and what was near to what was forgotten.

        Raises:
            NotMeasured: there were none.
        """
        return self._answers.relearn_attacks(self.original, self.unlearned)

    def check_comparable(self, other: "Crowd") -> None:
        """Refuse a crowd of another stream or source, or that was asked in another order.

        Raises:
            ClbenchError: naming what differs.
        """
        for field in ("fingerprint", "source_fingerprint"):
            mine, theirs = getattr(self.stream, field), getattr(other.stream, field)
            if mine != theirs:
                what = "stream" if field == "fingerprint" else "source"
                raise ClbenchError(
                    f"{self.label} and {other.label} are of other {what}s ({mine[:12]} and "
                    f"{theirs[:12]}); models are compared on one {what}"
                )
        for field in ("samples", "labels"):
            if not np.array_equal(getattr(self, field), getattr(other, field)):
                raise ClbenchError(
                    f"{self.label} and {other.label} were asked other {field}, or in another "
                    "order, on the same stream; rerun one of them"
                )
