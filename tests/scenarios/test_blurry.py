"""Blurry streams: how many classes and samples stray, and where to."""

from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.stream import Protocol, Stream
from small import source, stream

SOURCE = source(100, per_class=20)


def blurry(**options: Any) -> Stream:
    return stream("blurry", SOURCE, **{"updates": 5, "order": "random"} | options)


def homes(plan: Stream) -> np.ndarray:
    """[classes of the source]: the update whose group each class is in, by its evaluation set."""
    home = np.full(len(SOURCE.classes), -1)
    for each in plan.evals:
        home[plan.class_order[each.classes]] = int(each.name.removeprefix("group ")) - 1
    return home


def away(plan: Stream) -> np.ndarray:
    """[classes of the source]: samples of each that are learned outside of its update."""
    home, count = homes(plan), np.zeros(len(SOURCE.classes), dtype=int)
    for update in plan.updates:
        y = SOURCE.train.y[update.samples]
        count += np.bincount(y[home[y] != update.index], minlength=len(count))
    return count


def test_ten_percent_of_half_of_the_classes_stray() -> None:
    strays = away(blurry())
    assert strays.sum() == 100  # 10 % of 50 classes of 20 samples
    assert (strays > 0).sum() <= 50
    assert away(blurry(blurred=100)).tolist().count(20) == 50  # all of them, and no others
    assert away(blurry(blurred=100)).sum() == 1000


@pytest.mark.parametrize("none", [{"disjoint": 100}, {"blurred": 0}])
def test_with_nothing_blurred_it_is_class_incremental(none: dict[str, int]) -> None:
    plain = stream("class_incremental", SOURCE, increment=20, order="random", order_seed=3)
    blurred = blurry(stochastic=False, order_seed=3, **none)
    np.testing.assert_array_equal(blurred.class_order, plain.class_order)
    for one, two in zip(blurred.updates, plain.updates, strict=True):
        np.testing.assert_array_equal(one.samples, two.samples)


def test_strays_go_to_all_other_updates_alike() -> None:
    plan = blurry(disjoint=0, blurred=100, stochastic=False)
    sizes = np.array([len(update.samples) for update in plan.updates])
    assert sizes.sum() == 2000
    assert abs(sizes - 400).max() < 5 * np.sqrt(400 * 0.75)  # each of 1600 others: 1 in 4


def test_groups_are_equal_or_of_random_sizes() -> None:
    def sizes(**options: Any) -> list[int]:
        return np.bincount(homes(blurry(**options))).tolist()

    assert sizes(stochastic=False) == [20] * 5
    assert sum(sizes()) == 100
    assert min(sizes()) >= 1
    assert sizes() != sizes(blur_seed=1)


def test_cut_for_an_online_protocol_it_holds_the_same_samples() -> None:
    plan = blurry(every=64, protocol=Protocol(online=True))
    assert [len(update.samples) for update in plan.updates] == [64] * 31 + [16]
    whole = np.concatenate([update.samples for update in plan.updates])
    edges = np.cumsum([len(update.samples) for update in blurry().updates])[:-1]
    for part, update in zip(np.split(whole, edges), blurry().updates, strict=True):
        np.testing.assert_array_equal(np.sort(part), update.samples)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"disjoint": 101}, "disjoint must be from 0 to 100; got 101"),
        ({"blurred": -1}, "blurred must be from 0 to 100; got -1"),
        ({"updates": 1}, "updates must be a whole number, 2 or more; got 1"),
        ({"updates": 101}, "100 classes do not fill 101 updates"),
        ({"every": 0}, "every must be a whole number, 1 or more"),
        ({"protocol": Protocol(task_ids=True)}, "classes of earlier updates again.* task_ids must"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        blurry(**options)
