"""Training samples alone: part of them are held out in place of the test split, for tuning."""

from functools import partial

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source, Split, open_source
from clbench.source.blocks import blocks_of
from clbench.source.contents import Contents, Pending
from clbench.source.store import Key, stored
from clbench.spec import Spec, parse_spec


def held_out(source: str, every: int = 5) -> Source:
    """The training split of a source, every fifth sample of a class held out to be asked.

    The test split of the source is not read, so that what is chosen on this one has not seen the
    samples that a stream on the source is evaluated on. Samples are counted in their order within
    the class and within its parts by further labellings; no random numbers take part. All copies
    that `shifted` makes of a sample fall on one side.

    Raises:
        ClbenchError: `every` is below 2, or a class has fewer training samples than that.
    """
    if type(every) is not int or every < 2:
        raise ClbenchError(f"held_out: every must be a whole number, 2 or more; got {every}")
    base = open_source(parse_spec(source))
    held = _held(base, every)
    key: Key = {"source": f"held_out {base.fingerprint}", "every": every}
    spec = Spec("held_out", {"source": str(base.spec), "every": every})
    return stored(spec, key, partial(_contents, base, held))


def _contents(source: Source, held: IntArray) -> Contents:
    kept = np.setdiff1d(np.arange(len(source.train)), held)
    train, test = (Pending(len(ids), blocks_of(source.train, ids)) for ids in (kept, held))
    return Contents(source.classes, train, test)


def _held(source: Source, every: int) -> IntArray:
    """Ids of the training samples that are held out, ascending."""
    held = np.flatnonzero(_counted(source.train) % every == every - 1)
    count, taken = (np.bincount(y) for y in (source.train.y, source.train.y[held]))
    taken = np.pad(taken, (0, len(count) - len(taken)))
    if len(lacking := np.flatnonzero((count > 0) & (taken == 0))):
        raise ClbenchError(
            f"held_out: class {source.classes[lacking[0]]} of {source.spec} has too few training "
            f"samples to hold out one in {every}"
        )
    return held.astype(np.int64)


def _counted(split: Split) -> IntArray:
    """[samples]: the number of each among those of its class and further labels, from 0."""
    labels = np.stack([split.y, *split.other.values()])
    _, group = np.unique(labels, axis=1, return_inverse=True)
    order = np.argsort(group, kind="stable")
    starts = np.searchsorted(group[order], group[order])
    number = np.empty(len(group), dtype=np.int64)
    number[order] = np.arange(len(group)) - starts
    return number
