"""Which samples are to be forgotten: one function a kind, from a source's labels.

Each takes what was learnt and its own options, and draws by the seed of the former alone.
"""

from collections.abc import Callable

import numpy as np

from clbench.errors import ClbenchError, listing, unknown
from clbench.source.base import IntArray
from clbench.source.mislabelled import BAD
from clbench_scenarios.building import check_share, ids_of
from clbench_scenarios.learnt import NONE, ForgetSet, Learnt
from clbench_scenarios.ranked_sets import component, entangled, influential, memorised


def random(learnt: Learnt, *, size: int | float, classes: list[int] | None = None) -> ForgetSet:
    """So many samples (or a share) of all, or of some classes, each as likely as another."""
    pool = learnt.ids if classes is None else _of_classes(learnt, classes)
    return ForgetSet((learnt.drawn(pool, learnt.count(size, pool, "samples"), "random"),))


def class_(learnt: Learnt, *, classes: list[int], share: float = 1.0) -> ForgetSet:
    """Whole classes, or a share of each, a group a class."""
    check_share(learnt.name, "share", share, 0, 1)
    groups = []
    for each in classes:
        ids = _of_classes(learnt, [each])
        groups.append(learnt.drawn(ids, max(1, round(share * len(ids))), "class", each))
    gone = ids_of(learnt.source.test.y, np.array(classes)) if share == 1 else NONE
    return ForgetSet(tuple(groups), gone)


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


FORGET_SETS: dict[str, Callable[..., ForgetSet]] = {
    "random": random,
    "class": class_,
    "subclass": subclass,
    "confusable": confusable,
    "corrupted": corrupted,
    "memorised": memorised,
    "influential": influential,
    "entangled": entangled,
    "component": component,
    "task": task,
}
