"""What a ledger holds, under the names that metrics ask for.

Every public property of `Evidence` is a word of that vocabulary: a metric with a parameter
`accuracy` is handed `Evidence.accuracy`. V versions, E evaluation sets, n samples. Only sets of
the test split count here; arrays are read-only, so no metric can change another's input.
"""

from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError, unknown
from clbench.galleries import read_galleries
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.metric.compatibility import compatibility_matrix
from clbench.metric.flip_table import FlipTable, flip_table
from clbench.metric.trace import Trace
from clbench.reading import Clock, Columns, Cost, read_answers, read_each
from clbench.record import EvalRecord, StreamRecord
from clbench.tracing import read_trace

IntArray = npt.NDArray[np.integer]
FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]
Array = TypeVar("Array", bound=npt.NDArray[Any])


class HasAccuracy(Protocol):
    """What is wanted of another run."""

    @property
    def accuracy(self) -> FloatArray:
        """[V, E], NaN where not asked."""


class Evidence:
    """The evidence of one finished run, read when it is asked for and then kept.

    `joints` are the runs of the control `joint` on the same stream, source and seed.
    Each property raises NotMeasured where the run does not hold such evidence, and ClbenchError
    where a file is missing, altered or contradicts `run.json`.
    """

    def __init__(self, ledger: Ledger, joints: Sequence[HasAccuracy] = ()) -> None:
        self._ledger = ledger
        self._stream = ledger.record.stream
        self._versions = len(self._stream.updates) + 1
        self._joints = joints

    @property
    def path(self) -> Path:
        """The folder of the ledger."""
        return self._ledger.path

    @property
    def probed(self) -> bool:
        """Whether the method was asked inside updates, too."""
        return self._ledger.record.probe_every is not None

    @classmethod
    def vocabulary(cls) -> tuple[str, ...]:
        """The names that a metric may ask for."""
        words = (k for k, v in vars(cls).items() if isinstance(v, cached_property))
        return tuple(sorted(word for word in words if not word.startswith("_")))

    def of(self, name: str) -> Any:
        """The evidence called `name`; an unknown name is a ClbenchError."""
        if name not in self.vocabulary():
            raise unknown("evidence", name, self.vocabulary())
        return getattr(self, name)

    # -- what was asked ---------------------------------------------------------------------

    @cached_property
    def sizes(self) -> IntArray:
        """[E] samples in each evaluation set, all at least 1."""
        sizes = np.array([each.samples for each in self._evals], dtype=np.int64)
        if len(empty := np.flatnonzero(sizes == 0)):
            raise NotMeasured(f"evaluation set {self._evals[empty[0]].name} is empty")
        return _fixed(sizes)

    @cached_property
    def since(self) -> IntArray:
        """[E] the first version that was asked each set, ascending."""
        return _fixed(np.array([each.since for each in self._evals], dtype=np.int64))

    @cached_property
    def learnt(self) -> IntArray:
        """[E] the first version that has learnt each set.

        That is the one after which all classes of the set have been taught. In a
        domain-incremental stream the i-th learning update teaches the i-th set. A set that no
        update teaches counts as known from the first version that was asked it.
        """
        return _fixed(np.array(_learnt(self._stream, self._evals), dtype=np.int64))

    @cached_property
    def samples(self) -> IntArray:
        """[n] ids, in the test split, of the samples put to the last version."""
        return _fixed(self._last["sample"])

    @cached_property
    def labels(self) -> IntArray:
        """[n] the right answers to the questions put to the last version."""
        return _fixed(self._last["label"])

    @cached_property
    def known(self) -> tuple[BoolArray, ...]:
        """[V] of [n_v]: whether version v has learnt the set that the sample is in."""
        row = np.repeat(self.learnt, self.sizes)
        lengths = [len(each) for each in self.predicted]
        return tuple(_fixed(row[:n] <= version) for version, n in enumerate(lengths))

    # -- what was answered ------------------------------------------------------------------

    @cached_property
    def predicted(self) -> tuple[IntArray, ...]:
        """[V] of [n_v]: answers of version v; its samples are the first n_v of the last one's."""
        return tuple(_fixed(table["predicted"]) for table in self._tables)

    @cached_property
    def correct(self) -> tuple[BoolArray, ...]:
        """[V] of [n_v]: whether each answer is right."""
        return tuple(_fixed(each == self.labels[: len(each)]) for each in self.predicted)

    @cached_property
    def accuracy(self) -> FloatArray:
        """[V, E] accuracy of each version on each set; NaN where it was not asked."""
        table = np.full((len(self.correct), len(self.sizes)), np.nan)
        starts = np.concatenate([[0], np.cumsum(self.sizes)])
        for version, correct in enumerate(self.correct):
            asked = int(np.searchsorted(starts, len(correct)))
            if asked:
                right = np.add.reduceat(correct, starts[:asked], dtype=np.int64)
                table[version, :asked] = right / self.sizes[:asked]
        return _fixed(table)

    @cached_property
    def initial_accuracy(self) -> FloatArray:
        """[E] accuracy of version 0, the model before any update."""
        if self.since.any():
            raise NotMeasured("version 0 was not asked: it has no output for classes to come")
        return _fixed(self.accuracy[0])

    @cached_property
    def joint_accuracy(self) -> FloatArray:
        """[V, E] accuracy of the control `joint` on the same stream with the same seed."""
        seed = self._ledger.record.seed
        if not self._joints:
            raise NotMeasured(f"no finished run of joint with seed {seed} on this stream")
        if len(self._joints) > 1:
            raise NotMeasured(f"{len(self._joints)} set-ups of joint with seed {seed}; keep one")
        return self._joints[0].accuracy

    @cached_property
    def flips(self) -> tuple[FlipTable, ...]:
        """[V - 1] flips at each update, on the samples that the older version had learnt."""
        return tuple(self.flips_between(v, v + 1) for v in range(len(self.predicted) - 1))

    def flips_between(self, old: int, new: int) -> FlipTable:
        """Flips from version `old` to `new`, on the samples that the older one had learnt."""
        rows = np.flatnonzero(self.known[old])
        before, after = self.predicted[old][rows], self.predicted[new][rows]
        return flip_table(self.labels[rows], before, after)

    @cached_property
    def confidence(self) -> FloatArray:
        """[n] probability that the last version gives to its answer."""
        top = self._last["top_logit"][:, 0].astype(np.float64)
        return _fixed(np.exp(top - self._last["logsumexp"]))

    @cached_property
    def nll(self) -> FloatArray:
        """[n] negative log-likelihood of the right label under the last version, in nats."""
        return _fixed(self._last["logsumexp"].astype(np.float64) - self._last["label_logit"])

    @cached_property
    def right_probability(self) -> tuple[FloatArray, ...]:
        """[V] of [n_v]: probability that version v gives to the right label."""
        return tuple(_fixed(_right_probability(table)) for table in self._tables)

    @cached_property
    def galleries(self) -> tuple[npt.NDArray[np.floating], ...]:
        """[V] of [n, d_v]: embeddings of the probe, test samples that all versions embed."""
        return tuple(map(_fixed, self._embedded[0]))

    @cached_property
    def gallery_labels(self) -> IntArray:
        """[n] labels of the probe."""
        return _fixed(self.labels[self._gallery_rows])

    @cached_property
    def gallery_learnt(self) -> IntArray:
        """[n] the first version that has learnt each sample of the probe."""
        return _fixed(np.repeat(self.learnt, self.sizes)[self._gallery_rows])

    @cached_property
    def compatibility(self) -> FloatArray:
        """[T, T] retrieval between versions 1 .. T; see `clbench.metric.compatibility`."""
        return _fixed(compatibility_matrix(self.galleries, self.gallery_labels))

    @cached_property
    def trace(self) -> Trace:
        """Accuracies [P, E] inside updates and at their ends, probe by probe."""
        if not self.probed:
            raise NotMeasured("recorded without --probe-every")
        sets = [i for i, each in enumerate(self._stream.evals) if each.split == "test"]
        return read_trace(self._ledger, self._tables, np.array(sets))

    # -- what it cost -----------------------------------------------------------------------

    @cached_property
    def update_sizes(self) -> IntArray:
        """[V - 1] how many samples each update is about."""
        return _fixed(np.array([each.samples for each in self._stream.updates], dtype=np.int64))

    @cached_property
    def cost(self) -> tuple[Cost, ...]:
        """[V] what each version cost: FLOPs, state bytes, samples seen."""
        return read_each(self._ledger, self._versions, "cost.json", Cost)

    @cached_property
    def clock(self) -> tuple[Clock, ...]:
        """[V] seconds and peak memory of each version."""
        return read_each(self._ledger, self._versions, "clock.json", Clock)

    # -- reading ----------------------------------------------------------------------------

    @cached_property
    def _evals(self) -> tuple[EvalRecord, ...]:
        evals = tuple(each for each in self._stream.evals if each.split == "test")
        if not evals:
            raise NotMeasured("the stream has no evaluation set of test samples")
        return evals

    @cached_property
    def _tables(self) -> tuple[Columns, ...]:
        """[V] columns of each version's answers to the test sets."""
        return read_answers(self._ledger, self._versions, "test")

    @cached_property
    def _gallery_rows(self) -> IntArray:
        """[n] where each sample of the probe is first among the questions to the last version."""
        ids, first = np.unique(self.samples, return_index=True)
        probe = self._embedded[1]
        if not np.isin(probe, ids).all():
            raise ClbenchError(f"{self.path}: embeddings are of samples that no version was asked")
        return np.asarray(first[np.searchsorted(ids, probe)])

    @cached_property
    def _embedded(self) -> tuple[tuple[npt.NDArray[np.floating], ...], IntArray]:
        return read_galleries(self._ledger, self._versions)

    @property
    def _last(self) -> Columns:
        return self._tables[-1]


def _fixed(array: Array) -> Array:
    """The array, no longer writeable."""
    array.flags.writeable = False
    return array


def _right_probability(table: Columns) -> FloatArray:
    below = table["label_logit"].astype(np.float64) - table["logsumexp"]
    return np.asarray(np.exp(np.minimum(below, 0)))  # rounding may have put it above


def _learnt(stream: StreamRecord, evals: Sequence[EvalRecord]) -> list[int]:
    """For each set, the first version that has learnt it (see `Evidence.learnt`)."""
    updates = [update for update in stream.updates if update.kind == "learn"]
    if stream.protocol.get("setting") == "domain-incremental":
        if len(updates) != len(evals):
            raise NotMeasured(
                f"{len(updates)} learning updates do not pair off with {len(evals)} evaluation sets"
            )
        return [update.index + 1 for update in updates]
    teaching = [update for update in stream.updates if update.kind != "forget"]
    taught = {label: update.index + 1 for update in reversed(teaching) for label in update.classes}
    return [
        max((taught[label] for label in each.classes), default=each.since)
        if all(label in taught for label in each.classes)
        else each.since
        for each in evals
    ]
