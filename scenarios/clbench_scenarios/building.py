"""What generators share: streams from lists of sample ids, draws, checks of options."""

from collections.abc import Sequence

import numpy as np

from clbench.errors import ClbenchError
from clbench.seeds import derive
from clbench.source.base import IntArray, Source
from clbench.stream import EvalSet, Protocol, Stream, Update, labels_digest


def ids_of(labels: IntArray, classes: IntArray) -> IntArray:
    """Ids of all samples of some classes, ascending."""
    return np.flatnonzero(np.isin(labels, classes)).astype(np.int64)


def drawing(seed: int, *purpose: str | int) -> np.random.Generator:
    """Random numbers for one purpose; other purposes with the same seed draw others.

    Raises:
        ClbenchError: the seed is not a whole number, 0 or more.
    """
    check_whole(str(purpose[0]), "its seed", seed, 0)
    return np.random.default_rng(derive(seed, *purpose))


def check_whole(name: str, option: str, value: object, low: int) -> None:
    """Raise an error unless an option is a whole number of at least `low`."""
    if type(value) is not int or value < low:
        raise ClbenchError(f"{name}: {option} must be a whole number, {low} or more; got {value!r}")


def check_share(name: str, option: str, value: object, low: float, high: float) -> None:
    """Raise an error unless an option is a number from `low` to `high`."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ClbenchError(f"{name}: {option} must be from {low:g} to {high:g}; got {value!r}")


def from_updates(
    source: Source,
    name: str,
    protocol: Protocol,
    learned: Sequence[IntArray],
    order: IntArray,
    asked: Sequence[IntArray] | None = None,
) -> Stream:
    """A stream whose updates learn the given ids of `source.train`, each in the order given.

    Labels are numbered as classes arrive, those of one update as in `order`. `asked` are classes
    of the source, an evaluation set each, asked once all of them have arrived; by default a set
    for every update that brings classes.

    Raises:
        ClbenchError: an update is empty, or task ids are to be given and classes come again.
    """
    if empty := [i + 1 for i, ids in enumerate(learned) if not len(ids)]:
        raise ClbenchError(
            f"{name}: update {empty[0]} of {len(learned)} has no samples; ask for fewer updates"
        )
    classes, new = arrivals(source.train.y, learned, order)
    if protocol.task_ids:
        _check_tasks(name, source.train.y, learned, new)
    updates = tuple(
        Update(i, "learn", ids, fresh, i if protocol.task_ids else None)
        for i, (ids, fresh) in enumerate(zip(learned, new, strict=True))
    )
    sets = [classes[fresh] for fresh in new if len(fresh)] if asked is None else asked
    evals = _eval_sets(source.test.y, classes, new, sets)
    return Stream(name, source.spec, classes, updates, evals, protocol, labels_digest(source))


def arrivals(
    labels: IntArray, learned: Sequence[IntArray], order: IntArray
) -> tuple[IntArray, list[IntArray]]:
    """The classes of the source in order of arrival, and the labels that each update brings."""
    first = np.full(len(order), len(learned))  # an update each; the last number: never
    for i, ids in reversed(list(enumerate(learned))):
        first[np.isin(order, labels[ids])] = i
    came, position = np.sort(first), np.argsort(first, kind="stable")
    new = [np.flatnonzero(came == i).astype(np.int64) for i in range(len(learned))]
    return order[position[came < len(learned)]], new


def arrived(new: Sequence[IntArray]) -> IntArray:
    """[labels]: the first version that has seen each."""
    return np.repeat(np.arange(1, len(new) + 1), [len(fresh) for fresh in new])


def _eval_sets(
    labels: IntArray, classes: IntArray, new: Sequence[IntArray], sets: Sequence[IntArray]
) -> tuple[EvalSet, ...]:
    since, found = arrived(new), []
    for i, each in enumerate(sets):
        within = np.flatnonzero(np.isin(classes, each)).astype(np.int64)
        samples, version = ids_of(labels, classes[within]), int(since[within].max())
        found.append(EvalSet(f"group {i + 1}", "test", samples, version, within))
    return tuple(sorted(found, key=lambda each: each.since))


def _check_tasks(
    name: str, labels: IntArray, learned: Sequence[IntArray], new: Sequence[IntArray]
) -> None:
    for i, (ids, fresh) in enumerate(zip(learned, new, strict=True)):
        if len(np.unique(labels[ids])) != len(fresh):
            raise ClbenchError(
                f"{name}: update {i + 1} brings classes of earlier updates again, so that a class "
                "has no one task; task_ids must be false"
            )
