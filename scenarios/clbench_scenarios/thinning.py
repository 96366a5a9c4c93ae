"""Class-incremental streams that show only some samples of a class: few-shot and long-tailed."""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import check_share, check_whole, drawing
from clbench_scenarios.class_incremental import class_incremental

Order = str | list[int]


def few_shot(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    base: int,
    way: int,
    shot: int,
    order: Order = "source",
    order_seed: int = 0,
    shot_seed: int = 0,
) -> Stream:
    """Learn all samples of `base` classes, then `shot` samples of `way` new classes an update.

    Few-shot class-incremental learning (Tao et al. 2020, arXiv:2004.10956: CIFAR-100 in 60 classes
    and 8 updates of 5-way 5-shot). The shots are drawn by `shot_seed`, for each class on its own.

    Raises:
        ClbenchError: the classes do not divide so, or a class has fewer samples than shots.
    """
    check_whole(name, "shot", shot, 1)
    stream = class_incremental(
        source, name, protocol, base=base, increment=way, order=order, order_seed=order_seed
    )
    shots = dict.fromkeys(stream.class_order[base:].tolist(), shot)
    return thinned(source, stream, shots, shot_seed)


def long_tailed(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    increment: int,
    base: int | None = None,
    ratio: float = 0.01,
    largest: int | None = None,
    shuffled: bool = False,
    order: Order = "source",
    order_seed: int = 0,
    tail_seed: int = 0,
) -> Stream:
    """Learn classes of exponentially falling sizes: `largest * ratio ** (c / (C - 1))` samples.

    Long-tailed class-incremental learning (Liu et al. 2022, arXiv:2210.00266). c is the place of
    a class in the order of arrival, so that the head comes first; `shuffled` draws c by
    `tail_seed`. `largest` is by default what every class has. Evaluation sets stay whole.

    Raises:
        ClbenchError: the classes do not divide into such updates, a class has too few samples, or
            the smallest would get none.
    """
    check_share(name, "ratio", ratio, 0, 1)
    stream = class_incremental(
        source, name, protocol, increment=increment, base=base, order=order, order_seed=order_seed
    )
    classes = stream.class_order
    if largest is None:
        largest = int(np.bincount(source.train.y, minlength=len(source.classes))[classes].min())
    check_whole(name, "largest", largest, 1)
    sizes = tail(len(classes), largest, ratio)
    if sizes[-1] < 1:
        raise ClbenchError(
            f"{name}: the smallest class would get {largest * ratio:g} samples; need 1 or more: "
            "raise ratio or largest"
        )
    if shuffled:
        sizes = drawing(tail_seed, "tail").permutation(sizes)
    given = dict(zip(classes.tolist(), sizes.tolist(), strict=True))
    return thinned(source, stream, given, tail_seed)


def tail(classes: int, largest: int, ratio: float) -> IntArray:
    """[classes]: sizes falling exponentially from `largest` to `largest * ratio`, rounded down."""
    place = np.arange(classes) / max(1, classes - 1)
    # 500 * 0.01 must be 5 whatever the last bit of the power says
    return np.floor(largest * ratio**place + 1e-9).astype(np.int64)


def thinned(source: Source, stream: Stream, sizes: Mapping[int, int], seed: int) -> Stream:
    """The stream with only so many training samples of the classes in `sizes`, drawn by `seed`.

    What is drawn of a class depends on the seed and the class alone, and fewer are among more.

    Raises:
        ClbenchError: a class has fewer samples.
    """
    y, kept = source.train.y, np.ones(len(source.train), dtype=bool)
    for label, wanted in sizes.items():
        ids = np.flatnonzero(y == label)
        if wanted > len(ids):
            raise ClbenchError(
                f"{stream.name}: class {source.classes[label]} has {len(ids)} training samples; "
                f"{wanted} are asked for"
            )
        kept[drawing(seed, "samples", label).permutation(ids)[wanted:]] = False
    updates = tuple(replace(u, samples=u.samples[kept[u.samples]]) for u in stream.updates)
    return replace(stream, updates=updates)
