"""Domain-incremental streams: the same classes, in inputs that shift."""

import numpy as np

from clbench.errors import ClbenchError, unknown
from clbench.source.base import IntArray, Source
from clbench.stream import EvalSet, Protocol, Stream, Update, labels_digest
from clbench_scenarios.building import arrivals, arrived, ids_of
from clbench_scenarios.class_incremental import class_order


def domain_incremental(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    by: str,
    within_class: bool = False,
    order: str | list[int] = "source",
    order_seed: int = 0,
) -> Stream:
    """Learn one domain at an update; domains are the values of the further labelling `by`.

    With `within_class` the values are parts of classes, and update i brings the i-th part of each
    class: CIFAR-100's 20 superclasses by one fine class of each. `order` is that of the domains
    (`source`, `random` by `order_seed`, or a list). Each domain has an evaluation set; all are
    asked from the first version that knows their classes, which tells what transfers to domains
    to come.

    Raises:
        ClbenchError: the setting is another, the source has no such labelling, or a domain has no
            samples to learn or to be asked.
    """
    if protocol.setting != "domain-incremental":
        raise ClbenchError(f"{name}: protocol setting must be domain-incremental")
    if by not in source.train.other:
        raise unknown(f"labelling of {source.spec}", by, source.train.other)
    train, test = _domains(source, name, by, within_class)
    domains = class_order(
        order, order_seed, 1 + int(max(train.max(initial=0), test.max(initial=0)))
    )
    learned = [ids_of(train, domains[i : i + 1]) for i in range(len(domains))]
    asked = [ids_of(test, domains[i : i + 1]) for i in range(len(domains))]
    for number, there, to_ask in zip(domains, learned, asked, strict=True):
        if not len(there) or not len(to_ask):
            raise ClbenchError(
                f"{name}: domain {number} of {by} has {len(there)} training and {len(to_ask)} "
                "test samples; need 1 or more of each"
            )
    classes, new = arrivals(source.train.y, learned, np.arange(len(source.classes)))
    return Stream(
        name=name,
        source=source.spec,
        class_order=classes,
        updates=tuple(
            Update(i, "learn", ids, fresh, i if protocol.task_ids else None)
            for i, (ids, fresh) in enumerate(zip(learned, new, strict=True))
        ),
        evals=_evals(source, name, classes, arrived(new), domains, asked),
        protocol=protocol,
        labels=labels_digest(source),
    )


def _evals(
    source: Source,
    name: str,
    classes: IntArray,
    known: IntArray,
    domains: IntArray,
    asked: list[IntArray],
) -> tuple[EvalSet, ...]:
    """A set a domain, in the order of the updates that teach them: `since` never falls."""
    evals, since = [], 1
    for number, ids in zip(domains.tolist(), asked, strict=True):
        there = np.unique(source.test.y[ids])
        if strange := np.setdiff1d(there, classes).tolist():
            raise ClbenchError(
                f"{name}: class {source.classes[strange[0]]} is asked in domain {number} "
                "and taught in none"
            )
        labels = np.flatnonzero(np.isin(classes, there)).astype(np.int64)
        since = max(since, int(known[labels].max()))
        evals.append(EvalSet(f"domain {number}", "test", ids, since, labels))
    return tuple(evals)


def _domains(source: Source, name: str, by: str, within_class: bool) -> tuple[IntArray, IntArray]:
    """[train samples] and [test samples]: the domain of each."""
    values = [source.split(split).other[by] for split in ("train", "test")]
    if min(each.min(initial=0) for each in values) < 0:
        raise ClbenchError(f"{name}: {by} of {source.spec} has values below 0")
    if not within_class:
        return values[0], values[1]
    width = 1 + max(int(each.max(initial=0)) for each in values)
    pairs = [y * width + v for y, v in zip((source.train.y, source.test.y), values, strict=True)]
    parts = np.unique(np.concatenate(pairs))  # sorted by class, then by value
    rank = np.arange(len(parts)) - np.searchsorted(parts // width, parts // width)
    train, test = (rank[np.searchsorted(parts, each)] for each in pairs)
    return train, test
