"""Online streams: samples arrive a few at a time, once, and no boundary is announced."""

from collections.abc import Sequence

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import check_whole, drawing, from_updates
from clbench_scenarios.class_incremental import class_incremental


def online(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    increment: int,
    every: int,
    base: int | None = None,
    order: str | list[int] = "source",
    order_seed: int = 0,
    arrival_seed: int = 0,
) -> Stream:
    """A class-incremental sequence of shuffled samples, cut into updates of `every` samples.

    The cuts follow no task: an update may hold the last samples of one group of classes and the
    first of the next. The last update holds what remains. Every version is asked, so that accuracy
    is known after every `every` samples. The protocol must say `online = true`.

    Raises:
        ClbenchError: the classes do not divide into such groups, or the protocol is not online.
    """
    if not protocol.online:
        raise ClbenchError(f"{name}: the generator online needs protocol online=true")
    groups = class_incremental(
        source, name, protocol, increment=increment, base=base, order=order, order_seed=order_seed
    )
    learned = cut(name, [update.samples for update in groups.updates], every, arrival_seed)
    asked = [groups.class_order[update.classes] for update in groups.updates]
    return from_updates(source, name, protocol, learned, groups.class_order, asked)


def cut(name: str, parts: Sequence[IntArray], every: int, seed: int) -> list[IntArray]:
    """Shuffle each part, put them in a row and cut it into pieces of `every` ids."""
    check_whole(name, "every", every, 1)
    generator = drawing(seed, "arrival")
    row = np.concatenate([generator.permutation(part) for part in parts])
    return np.split(row, range(every, len(row), every))
