"""Class-incremental streams with repetition: classes come back."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import check_share, check_whole, drawing, from_updates
from clbench_scenarios.class_incremental import class_order


def repetition(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    updates: int,
    size: int,
    repeat: float,
    first: str = "uniform",
    first_probability: float = 0.2,
    order: str | list[int] = "source",
    order_seed: int = 0,
    repeat_seed: int = 0,
) -> Stream:
    """Updates of `size` samples in which classes seen before return with probability `repeat`.

    The sampling generator of Hemati et al. 2023 (arXiv:2301.11396). A class first occurs at an
    update that is uniform, or geometric with `first_probability`, over the updates; classes begin
    in the order of arrival. The samples of an update are shared evenly by the classes present,
    drawn anew from all of each class without repetition inside the update. An update that would
    have no class repeats one that was seen; the first class begins at the first update.

    Raises:
        ClbenchError: an option is out of range, or a class has fewer samples than its share.
    """
    check_whole(name, "updates", updates, 1)
    check_whole(name, "size", size, 1)
    check_share(name, "repeat", repeat, 0, 1)
    classes = class_order(order, order_seed, len(source.classes))
    generator = drawing(repeat_seed, "repetition")
    starts = _starts(name, len(classes), updates, first, first_probability, generator)
    learned = [
        _shared(source, name, classes[present], size, generator)
        for present in _presence(starts, updates, repeat, generator)
    ]
    return from_updates(source, name, protocol, learned, classes)


def _starts(
    name: str,
    classes: int,
    updates: int,
    first: str,
    probability: float,
    generator: np.random.Generator,
) -> IntArray:
    """[classes]: the update at which each occurs first, ascending from 0."""
    if first not in ("uniform", "geometric"):
        raise ClbenchError(f"{name}: first must be uniform or geometric; got {first!r}")
    check_share(name, "first_probability", probability, 0, 1)
    passed_over = 1 - probability if first == "geometric" else 1.0
    weights = np.power(passed_over, np.arange(updates))  # cut off after the last update
    starts = np.sort(generator.choice(updates, classes, p=weights / weights.sum()))
    starts[0] = 0
    return starts


def _presence(
    starts: IntArray, updates: int, repeat: float, generator: np.random.Generator
) -> list[IntArray]:
    """[updates] of the classes present in each, by their places in the order."""
    present = []
    for i in range(updates):
        seen = int(np.searchsorted(starts, i))  # classes of earlier updates
        back = np.flatnonzero(generator.random(seen) < repeat)
        new = np.flatnonzero(starts == i)
        here = np.concatenate([back, new])
        present.append(here if len(here) else generator.integers(seen, size=1))
    return present


def _shared(
    source: Source, name: str, classes: IntArray, size: int, generator: np.random.Generator
) -> IntArray:
    """`size` ids, as evenly of the classes as they go; the first ones have one more."""
    if size < len(classes):
        raise ClbenchError(f"{name}: {size} samples do not go round {len(classes)} classes")
    drawn = []
    for i, label in enumerate(classes.tolist()):
        pool = np.flatnonzero(source.train.y == label)
        share = size // len(classes) + (i < size % len(classes))
        if share > len(pool):
            raise ClbenchError(
                f"{name}: class {source.classes[label]} has {len(pool)} training samples, and an "
                f"update of {size} asks for {share}; lower size"
            )
        drawn.append(generator.permutation(pool)[:share])
    return np.sort(np.concatenate(drawn)).astype(np.int64)
