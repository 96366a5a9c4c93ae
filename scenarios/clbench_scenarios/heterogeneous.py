"""Streams of several data sets, each with classes of its own."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import from_updates, ids_of
from clbench_scenarios.class_incremental import class_order


def heterogeneous(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    by: str = "origin",
    order: str | list[int] = "source",
    order_seed: int = 0,
) -> Stream:
    """Learn one data set of a `joined` source at an update, each with its own label space.

    A sequence of tasks as in NEVIS'22 (Bornschein et al. 2023, arXiv:2211.11747), there with task
    ids at test. `order` is that of the data sets: `source`, `random` by `order_seed`, or a list of
    numbers, which may leave some out.

    Raises:
        ClbenchError: the source is not joined, or data sets share classes.
    """
    if by not in source.train.other:
        raise ClbenchError(f"{name}: {source.spec} has no labelling {by}; join sources by joined")
    origin = source.train.other[by]
    parts = class_order(order, order_seed, 1 + int(origin.max(initial=0)))
    learned = [ids_of(origin, parts[i : i + 1]) for i in range(len(parts))]
    stream = from_updates(source, name, protocol, learned, np.arange(len(source.classes)))
    if sum(len(np.unique(source.train.y[ids])) for ids in learned) > len(stream.class_order):
        raise ClbenchError(f"{name}: the parts of {by} share classes; join sources by joined")
    return stream
