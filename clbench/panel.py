"""Which samples probes ask, and what is kept of the answers."""

from dataclasses import dataclass, replace

import numpy as np

from clbench.prediction import FloatArray
from clbench.seeds import derive
from clbench.source.base import IntArray
from clbench.stream import Stream

# Samples of an evaluation set that probes ask: the standard error of an accuracy is below 3.2 %.
# The study that introduced continual evaluation (arXiv:2205.13452) asks a subset as well.
PER_SET = 256


@dataclass(frozen=True)
class Panel:
    """The samples that every probe of a stream asks, the same in all its runs.

    `stream` has those alone in its evaluation sets; `chosen` [E] of [n_e] are their places in the
    whole sets, ascending.
    """

    stream: Stream
    chosen: tuple[IntArray, ...]

    def of(self, whole: Stream, logits: FloatArray, version: int) -> IntArray:
        """[n] what a version answers to the panel, of its logits [asked samples, classes]."""
        starts = np.cumsum([0, *(len(e.samples) for e in whole.evals)])
        due = [i for i, e in enumerate(whole.evals) if e.since <= version]
        rows = [starts[i] + self.chosen[i] for i in due]
        return predicted(logits[np.concatenate(rows)] if rows else logits)


def panel(stream: Stream) -> Panel:
    """Up to 256 samples of each evaluation set, chosen by the stream's hash."""
    chosen = tuple(
        _choice(derive(0, "panel", stream.fingerprint, i), len(e.samples))
        for i, e in enumerate(stream.evals)
    )
    evals = [
        replace(e, samples=e.samples[some]) for e, some in zip(stream.evals, chosen, strict=True)
    ]
    return Panel(replace(stream, evals=tuple(evals)), chosen)


def predicted(logits: FloatArray) -> IntArray:
    """[n] class of the largest of the logits [n, C], the first of equals; -1 where there is none.

    A logit that is the lowest finite number is none: see `clbench.answers.predict`.
    """
    if not logits.size:
        return np.full(len(logits), -1, dtype=np.int64)
    lowest = np.finfo(logits.dtype).min
    return np.where(logits.max(axis=1) > lowest, logits.argmax(axis=1), -1)


def _choice(seed: int, count: int) -> IntArray:
    return np.sort(np.random.default_rng(seed).permutation(count)[:PER_SET])
