"""Unlearning streams: learn, then forget, and perhaps learn again what was forgotten."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from clbench.errors import ClbenchError, unknown
from clbench.plugin import call
from clbench.requests import check_requests
from clbench.source.base import IntArray, Source
from clbench.stream import EvalSet, Protocol, SplitName, Stream, Update
from clbench_scenarios.building import check_whole, drawing, ids_of
from clbench_scenarios.class_incremental import class_incremental, class_order
from clbench_scenarios.forget_sets import FORGET_SETS
from clbench_scenarios.learnt import ForgetSet, Learnt

MOST_RETAINED = 10_000  # samples of the evaluation set `retain`


def unlearning(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    forget: str | Mapping[str, Any],
    requests: int = 1,
    increment: int | None = None,
    relearn: bool = False,
    order: str | list[int] = "source",
    order_seed: int = 0,
    forget_seed: int = 0,
) -> Stream:
    """Learn all classes, at once or `increment` an update, then forget some samples of them.

    `forget` is a kind of `forget_sets.FORGET_SETS` with its options: `{"name": "random", "size":
    0.1}`. They are forgotten in one request, or in several: a group of the set each (a class, a
    task), or parts of equal size that are drawn. With `relearn` a last update learns them again.

    Evaluation sets: `forget` of the train split (`forget-1`, ... where there are several requests),
    `retain` of the training samples that no request names, up to 10,000 drawn, and `test` of the
    test split. Test samples that fall under what is forgotten, such as those of a forgotten class,
    are `test-forgotten` and not in `test`. All are asked from the first version that knows their
    classes.

    What the protocol grants of the retained data is drawn by `forget_seed`, too, anew for each
    request.

    Raises:
        ClbenchError: an option is wrong, the requests leave nothing to retain, or the protocol is
            online, which hands out each sample once.
    """
    if protocol.online:
        raise ClbenchError(f"{name}: an online protocol shows a sample once; set online=false")
    check_whole(name, "requests", requests, 1)
    classes = class_order(order, order_seed, len(source.classes))
    base = class_incremental(
        source, name, protocol, increment=increment or len(classes), order=classes.tolist()
    )
    learnt = Learnt(source, name, [u.samples for u in base.updates], forget_seed)
    found = _forget_set(learnt, forget)
    parts = _requests(learnt, found, requests)
    stream = replace(base, evals=(), updates=(*base.updates, *_updates(base, source, parts)))
    stream = _granted(stream, forget_seed)
    if relearn:
        again = Update(len(stream.updates), "learn", np.sort(np.concatenate(parts)), _no_ids())
        stream = replace(stream, updates=(*stream.updates, again))
    check_requests(stream)
    return replace(stream, evals=_evals(stream, source, learnt, found, parts))


def _forget_set(learnt: Learnt, forget: str | Mapping[str, Any]) -> ForgetSet:
    options = {"name": forget} if isinstance(forget, str) else dict(forget)
    kind = options.pop("name", None)
    if kind not in FORGET_SETS:
        raise unknown(f"forget set of {learnt.name}", str(kind), FORGET_SETS)
    found: ForgetSet = call("forget set", kind, FORGET_SETS[kind], {"learnt": learnt, **options})
    if len(np.unique(np.concatenate(found.groups))) == len(learnt.ids):
        raise ClbenchError(f"{learnt.name}: all that was learnt is to be forgotten; retain some")
    return found


def _requests(learnt: Learnt, found: ForgetSet, count: int) -> list[IntArray]:
    """The ids of each request, ascending."""
    groups = found.groups
    if len(groups) != count:
        ids = np.concatenate(groups)
        if (len(groups) > 1 and count > 1) or len(ids) < count:
            raise ClbenchError(
                f"{learnt.name}: {len(groups)} groups of {len(ids)} samples do not make {count} "
                f"requests; requests must be 1 or {len(groups)}"
            )
        order = drawing(learnt.seed, "forget", "requests").permutation(np.sort(ids))
        groups = tuple(np.array_split(order, count))
    return [np.sort(each).astype(np.int64) for each in groups]


def _updates(base: Stream, source: Source, parts: Sequence[IntArray]) -> list[Update]:
    labels, first = base.label_map(len(source.classes)), len(base.updates)
    return [
        Update(first + i, "forget", ids, np.unique(labels[source.train.y[ids]]))
        for i, ids in enumerate(parts)
    ]


def _granted(stream: Stream, seed: int) -> Stream:
    """The stream with the retained data that its protocol grants at forget updates."""
    share, updates = stream.protocol.retained, []
    for version, update in enumerate(stream.updates, start=1):
        if share is not None and update.kind == "forget":
            kept = stream.retained(version)
            order = drawing(seed, "retained", update.index).permutation(kept)
            chosen = np.sort(order[: max(1, round(share * len(kept)))])
            update = replace(update, retained=chosen)
        updates.append(update)
    return replace(stream, updates=tuple(updates))


def _evals(
    stream: Stream, source: Source, learnt: Learnt, found: ForgetSet, parts: Sequence[IntArray]
) -> tuple[EvalSet, ...]:
    names = ["forget"] if len(parts) == 1 else [f"forget-{i + 1}" for i in range(len(parts))]
    kept = np.setdiff1d(learnt.ids, np.concatenate(parts))
    some = drawing(learnt.seed, "retain").permutation(kept)[:MOST_RETAINED]
    test = ids_of(source.test.y, stream.class_order)
    sets: list[tuple[str, SplitName, IntArray]] = [
        *((name, "train", ids) for name, ids in zip(names, parts, strict=True)),
        ("retain", "train", np.sort(some)),
        ("test", "test", np.setdiff1d(test, found.test)),
        ("test-forgotten", "test", found.test),
        *found.beside,
    ]
    asked = [_asked(stream, source, *each) for each in sets if len(each[2])]
    return tuple(sorted(asked, key=lambda each: each.since))


def _asked(stream: Stream, source: Source, name: str, split: SplitName, ids: IntArray) -> EvalSet:
    """A set, asked from the first version that knows its classes."""
    labels = stream.label_map(len(source.classes))[source.split(split).y[ids]]
    classes = np.unique(labels).astype(np.int64)
    widths = [stream.n_classes(version) for version in range(len(stream.updates) + 1)]
    since = next(version for version, width in enumerate(widths) if width > classes.max())
    return EvalSet(name, split, ids.astype(np.int64), since, classes)


def _no_ids() -> IntArray:
    return np.zeros(0, dtype=np.int64)
