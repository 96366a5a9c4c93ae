"""Class-incremental streams: every update brings classes that were not there before."""

from itertools import pairwise

import numpy as np

from clbench.errors import ClbenchError, listing
from clbench.source.base import IntArray, Source
from clbench.stream import EvalSet, Protocol, Stream, Update, labels_digest
from clbench_scenarios.building import ids_of


def class_incremental(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    increment: int,
    base: int | None = None,
    order: str | list[int] = "source",
    order_seed: int = 0,
) -> Stream:
    """Learn `base` classes first (default: `increment`), then `increment` more at each update.

    `order` is `source` (0, 1, 2, ...), `random` (a numpy permutation by `order_seed`; 1993 is the
    one that the field shares for CIFAR-100), or a list of class numbers, which may leave some out.
    Each update has an evaluation set of the test samples of its classes, asked from then on.

    Raises:
        ClbenchError: the classes do not divide into such updates, the list is not one of distinct
            classes of the source, or an update has no samples to learn or to be asked.
    """
    classes = class_order(order, order_seed, len(source.classes))
    groups = _groups(len(classes), increment if base is None else base, increment)
    for i, g in enumerate(groups):
        _check_samples(source, f"{name}: update {i + 1} of {len(groups)}", classes[g])
    with_tasks = protocol.task_ids
    return Stream(
        name=name,
        source=source.spec,
        class_order=classes,
        updates=tuple(
            Update(i, "learn", ids_of(source.train.y, classes[g]), g, i if with_tasks else None)
            for i, g in enumerate(groups)
        ),
        evals=tuple(
            EvalSet(f"update {i + 1}", "test", ids_of(source.test.y, classes[g]), i + 1, g)
            for i, g in enumerate(groups)
        ),
        protocol=protocol,
        labels=labels_digest(source),
    )


def class_order(order: str | list[int], seed: int, n_classes: int) -> IntArray:
    """The order in which classes arrive, as classes of the source."""
    if order == "source":
        return np.arange(n_classes, dtype=np.int64)
    if order == "random":
        # The legacy generator, since published class orders were drawn with it.
        return np.random.RandomState(seed).permutation(n_classes).astype(np.int64)
    if isinstance(order, str):
        raise ClbenchError(f"order {order!r} is neither source, random, nor a list of classes")
    if len(set(order)) != len(order) or not set(order) <= set(range(n_classes)):
        raise ClbenchError(
            f"class order {order} is not a list of distinct classes below {n_classes}"
        )
    return np.array(order, dtype=np.int64)


def _check_samples(source: Source, where: str, classes: IntArray) -> None:
    for split, purpose in (("train", "learn"), ("test", "be asked")):
        if not len(ids_of(source.split(split).y, classes)):
            names = listing(source.classes[c] for c in classes)
            raise ClbenchError(f"{where} has no samples to {purpose} of its classes, {names}")


def _groups(n_classes: int, base: int, increment: int) -> list[IntArray]:
    if min(base, increment) < 1 or base > n_classes or (n_classes - base) % increment:
        raise ClbenchError(
            f"{n_classes} classes do not divide into a first update of {base} and further ones "
            f"of {increment}"
        )
    edges = [0, *range(base, n_classes + 1, increment)]
    return [np.arange(a, b, dtype=np.int64) for a, b in pairwise(edges)]
