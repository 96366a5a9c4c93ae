"""Blurry streams: part of the classes do not keep to one update."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.building import check_share, check_whole, drawing, from_updates, ids_of
from clbench_scenarios.class_incremental import class_order
from clbench_scenarios.online import cut


def blurry(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    updates: int,
    disjoint: float = 50,
    blurred: float = 10,
    stochastic: bool = True,
    every: int | None = None,
    order: str | list[int] = "source",
    order_seed: int = 0,
    blur_seed: int = 0,
) -> Stream:
    """`disjoint` % of classes keep to one update; of the others `blurred` % of samples stray.

    Blurry streams with N = `disjoint` and M = `blurred` (i-Blurry, Koh et al. 2022,
    arXiv:2110.10031; Si-Blurry, Moon et al. 2023, arXiv:2308.09303, is `stochastic`). Classes are
    dealt to updates in the order of arrival: in equal numbers, or in random ones of at least one.
    Which classes are disjoint, and which samples stray to which other update, is drawn by
    `blur_seed`. With `every` the stream is cut into pieces of so many samples, for online
    protocols, each update's samples shuffled first.

    Raises:
        ClbenchError: there are fewer classes than updates, or a share is out of range.
    """
    check_whole(name, "updates", updates, 2)
    check_share(name, "disjoint", disjoint, 0, 100)
    check_share(name, "blurred", blurred, 0, 100)
    classes = class_order(order, order_seed, len(source.classes))
    if len(classes) < updates:
        raise ClbenchError(f"{name}: {len(classes)} classes do not fill {updates} updates")
    groups = np.split(classes, _edges(len(classes), updates, stochastic, blur_seed))
    home = np.full(len(source.train), -1)
    for i, group in enumerate(groups):
        home[ids_of(source.train.y, group)] = i
    place = _strayed(source.train.y, classes, home, updates, disjoint, blurred, blur_seed)
    learned = [np.flatnonzero(place == i).astype(np.int64) for i in range(updates)]
    if every is not None:
        learned = cut(name, learned, every, blur_seed)
    return from_updates(source, name, protocol, learned, classes, groups)


def _edges(classes: int, updates: int, stochastic: bool, seed: int) -> IntArray:
    """Where the list of classes is cut."""
    if stochastic:
        inner = drawing(seed, "sizes").choice(classes - 1, updates - 1, replace=False) + 1
        return np.sort(inner)
    sizes = [len(part) for part in np.array_split(np.arange(classes), updates)]
    return np.cumsum(sizes[:-1])


def _strayed(
    y: IntArray,
    classes: IntArray,
    home: IntArray,
    updates: int,
    disjoint: float,
    blurred: float,
    seed: int,
) -> IntArray:
    """[train samples]: the update of each; those that stray go to any other alike (-1: none)."""
    count = round(len(classes) * disjoint / 100)
    loose = drawing(seed, "blurry classes").permutation(classes)[count:]
    generator, place = drawing(seed, "strays"), home.copy()
    ids = generator.permutation(ids_of(y, loose))
    strays = ids[: round(len(ids) * blurred / 100)]
    steps = generator.integers(1, updates, len(strays))
    place[strays] = (home[strays] + steps) % updates
    return place
