"""Which samples are to be forgotten: one function a kind, from a source's labels and arrays.

Each takes what was learnt and its own options, and draws by the seed of the former alone.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

import numpy as np

from clbench.errors import ClbenchError, listing, unknown
from clbench.source.base import IntArray, Source
from clbench.source.mislabelled import BAD
from clbench.stream import SplitName
from clbench_scenarios.attribution import FloatArray, RidgeHead, features_of
from clbench_scenarios.building import check_share, check_whole, drawing, ids_of

NONE: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Learnt:
    """What there is to forget: the train ids that each learn update taught."""

    source: Source
    name: str  # of the stream, for errors
    updates: Sequence[IntArray]
    seed: int = 0

    @cached_property
    def ids(self) -> IntArray:
        """[n] all of them, ascending."""
        return np.unique(np.concatenate(self.updates))

    @cached_property
    def labels(self) -> IntArray:
        """[n] their classes."""
        return self.source.train.y[self.ids]

    def head(self) -> RidgeHead:
        """A ridge head on their arrays."""
        _, labels = np.unique(self.labels, return_inverse=True)
        return RidgeHead(features_of(self.source.train.x[self.ids]), labels.astype(np.int64))

    def drawn(self, ids: IntArray, count: int, *purpose: str | int) -> IntArray:
        """So many of some ids; fewer are among more."""
        return drawing(self.seed, "forget", *purpose).permutation(ids)[:count]

    def count(self, size: object, ids: IntArray, what: str) -> int:
        """A number of samples, or a share of the ids, as a number.

        Raises:
            ClbenchError: it is neither, or leaves nothing to forget or nothing to retain.
        """
        if isinstance(size, float):
            check_share(self.name, "size", size, 0, 1)
            size = round(size * len(ids))
        check_whole(self.name, "size", size, 1)
        assert isinstance(size, int)
        if size > len(ids):
            raise ClbenchError(
                f"{self.name}: {size} samples are to be forgotten of {len(ids)} {what}; lower size"
            )
        return size


@dataclass(frozen=True)
class ForgetSet:
    """Train ids to forget, in `groups` that belong together.

    `test` are ids of the test split that fall under what is forgotten, such as those of a forgotten
    class; `beside` are further samples to ask, by name: split and ids.
    """

    groups: tuple[IntArray, ...]
    test: IntArray = field(default_factory=NONE.copy)
    beside: tuple[tuple[str, SplitName, IntArray], ...] = ()


Select = Callable[..., ForgetSet]
FORGET_SETS: dict[str, Select] = {}


def kind(function: Select) -> Select:
    """Register a kind of forget set under its name."""
    FORGET_SETS[function.__name__.removesuffix("_")] = function
    return function


@kind
def random(learnt: Learnt, *, size: int | float, classes: list[int] | None = None) -> ForgetSet:
    """So many samples (or a share) of all, or of some classes, each as likely as another."""
    pool = learnt.ids if classes is None else _of_classes(learnt, classes)
    return ForgetSet((learnt.drawn(pool, learnt.count(size, pool, "samples"), "random"),))


@kind
def class_(learnt: Learnt, *, classes: list[int], share: float = 1.0) -> ForgetSet:
    """Whole classes, or a share of each, a group a class."""
    check_share(learnt.name, "share", share, 0, 1)
    groups = []
    for each in classes:
        ids = _of_classes(learnt, [each])
        groups.append(learnt.drawn(ids, max(1, round(share * len(ids))), "class", each))
    gone = ids_of(learnt.source.test.y, np.array(classes)) if share == 1 else NONE
    return ForgetSet(tuple(groups), gone)


@kind
def subclass(learnt: Learnt, *, by: str, parts: list[int]) -> ForgetSet:
    """Parts of classes, a group each: fine classes inside of coarse ones that stay.

    `by` names the labelling whose values the parts are.

    Raises:
        ClbenchError: the source has no such labelling, a part has no samples, or none of its class
            would stay.
    """
    fine = _labelling(learnt, by)[learnt.ids]
    for part in parts:
        if part not in fine:
            raise ClbenchError(f"{learnt.name}: no sample that was learnt has {by} {part}")
    stays = learnt.labels[~np.isin(fine, parts)]
    if len(whole := np.setdiff1d(learnt.labels[np.isin(fine, parts)], stays)):
        raise ClbenchError(
            f"{learnt.name}: parts {parts} of {by} are all of class "
            f"{learnt.source.classes[whole[0]]}; forget the class, or leave one of its parts"
        )
    groups = tuple(learnt.ids[fine == part] for part in parts)
    return ForgetSet(groups, ids_of(learnt.source.test.other[by], np.array(parts)))


@kind
def confusable(learnt: Learnt, *, share: float = 1.0, pair: list[int] | None = None) -> ForgetSet:
    """A class (or a share of it) that is easily confused with another, which stays.

    By default, of all pairs, the two classes that a ridge head on the arrays confuses most often
    when each sample is left out of its fit; the one that is more often taken for the other is
    forgotten. Of a given pair the first is. The test samples of the other are asked as `near`.
    """
    chosen = _most_confused(learnt) if pair is None else pair
    if len(chosen) != 2 or chosen[0] == chosen[1]:
        raise ClbenchError(f"{learnt.name}: pair {chosen} must be two different classes")
    _of_classes(learnt, chosen)
    found = class_(learnt, classes=chosen[:1], share=share)
    near = ids_of(learnt.source.test.y, np.array(chosen[1:]))
    return ForgetSet(found.groups, found.test, (("near", "test", near),))


@kind
def corrupted(learnt: Learnt, *, known: float = 1.0) -> ForgetSet:
    """Samples with wrong labels or a planted trigger, of which only a share may be known.

    For the sources `mislabelled` and `poisoned`. Corrective unlearning (Goel et al. 2024,
    arXiv:2402.14015): what is not known stays among the retained data and is asked as `unknown`.
    Test samples with a trigger are those that fall under what is forgotten.

    Raises:
        ClbenchError: the source does not say which samples are bad, or none of them is known.
    """
    check_share(learnt.name, "known", known, 0, 1)
    bad = learnt.ids[_labelling(learnt, BAD)[learnt.ids] == 1]
    if not len(bad):
        raise ClbenchError(f"{learnt.name}: no sample that was learnt is bad; raise its share")
    found = np.sort(learnt.drawn(bad, max(1, round(known * len(bad))), "corrupted"))
    unknown_ones = np.setdiff1d(bad, found)
    beside = (("unknown", "train", unknown_ones),) if len(unknown_ones) else ()
    return ForgetSet((found,), ids_of(learnt.source.test.other[BAD], np.array([1])), beside)  # type: ignore[arg-type]


Level = Literal["high", "medium", "low"]


@kind
def memorised(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """The samples of the largest, middle or smallest `RidgeHead.memorisation`."""
    return _ranked(learnt, learnt.head().memorisation, size, level)


@kind
def influential(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """The samples of the largest, middle or smallest `RidgeHead.influence`."""
    return _ranked(learnt, learnt.head().influence, size, level)


@kind
def entangled(learnt: Learnt, *, size: int | float, level: Level = "high") -> ForgetSet:
    """Neighbours in the space of the arrays: of the mean of all, or of a sample that lies off it.

    For forget sets of high, medium and low entanglement with what is retained
    (`attribution.entanglement`, Zhao et al. 2024, arXiv:2406.01257): the nearest to the mean of
    all, to the sample at the median distance from it, and to the farthest. The paper ranks by the
    distance from the mean in a model's embeddings, which a source of frozen features has; all that
    are far are no group apart, though, where they lie on every side.
    """
    x = features_of(learnt.source.train.x[learnt.ids])[:, :-1]
    order = np.argsort(np.linalg.norm(x, axis=1), kind="stable")
    anchors = {"high": x.mean(axis=0), "medium": x[order[len(x) // 2]], "low": x[order[-1]]}
    if level not in anchors:
        raise unknown(f"level of {learnt.name}", str(level), anchors)
    return _ranked(learnt, -np.linalg.norm(x - anchors[level], axis=1), size, "high")


Tail = Literal["top", "bottom", "both"]


@kind
def component(
    learnt: Learnt, *, size: int | float, number: int = 1, tail: Tail = "top"
) -> ForgetSet:
    """A tail of a principal component of the attribution matrix, or half of either.

    See `RidgeHead.component`.
    """
    check_whole(learnt.name, "number", number, 1)
    scores = learnt.head().component(number)
    count = learnt.count(size, learnt.ids, "samples")
    if tail == "both":
        order = learnt.ids[np.argsort(-scores, kind="stable")]
        ends = order[: count - count // 2], order[len(order) - count // 2 :]
        return ForgetSet((np.concatenate(ends),))
    if tail not in ("top", "bottom"):
        raise unknown(f"tail of {learnt.name}", str(tail), ("top", "bottom", "both"))
    return _ranked(learnt, scores, size, "high" if tail == "top" else "low")


@kind
def task(learnt: Learnt, *, tasks: list[int]) -> ForgetSet:
    """All that some learn updates taught, counted from 0; a group each.

    Raises:
        ClbenchError: there is no such update, or the stream learns all in one.
    """
    count = len(learnt.updates)
    if count < 2 or not set(tasks) <= set(range(count)):
        raise ClbenchError(
            f"{learnt.name}: tasks {tasks} are to be forgotten of {count} learn updates; give "
            "increment, and tasks from 0 on"
        )
    groups = tuple(learnt.updates[each] for each in tasks)
    classes = np.unique(learnt.source.train.y[np.concatenate(groups)])
    return ForgetSet(groups, ids_of(learnt.source.test.y, classes))


def _ranked(learnt: Learnt, scores: FloatArray, size: int | float, level: str) -> ForgetSet:
    """The samples with the highest scores, the lowest, or those in the middle."""
    count = learnt.count(size, learnt.ids, "samples")
    order = learnt.ids[np.argsort(-scores, kind="stable")]
    starts = {"high": 0, "medium": (len(order) - count) // 2, "low": len(order) - count}
    if level not in starts:
        raise unknown(f"level of {learnt.name}", str(level), starts)
    return ForgetSet((order[starts[level] :][:count],))


def _most_confused(learnt: Learnt) -> list[int]:
    there = np.unique(learnt.labels)
    shares = learnt.head().confused(len(there))
    one, other = np.unravel_index((shares + shares.T).argmax(), shares.shape)
    if shares[other, one] > shares[one, other]:
        one, other = other, one
    return [int(there[one]), int(there[other])]


def _of_classes(learnt: Learnt, classes: list[int]) -> IntArray:
    """Learnt ids of some classes of the source."""
    if missing := [each for each in classes if each not in learnt.labels]:
        raise ClbenchError(
            f"{learnt.name}: class {missing[0]} is to be forgotten and was never learnt; learnt "
            f"are {listing(map(str, np.unique(learnt.labels)))}"
        )
    return learnt.ids[np.isin(learnt.labels, classes)]


def _labelling(learnt: Learnt, by: str) -> IntArray:
    other = learnt.source.train.other
    if by not in other:
        raise unknown(f"labelling of {learnt.source.spec}", by, other)
    return other[by]
