"""Continual few-shot streams, and the instance test as one of them."""

from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source.base import open_source
from clbench.spec import parse_spec
from clbench.stream import Protocol, Stream
from small import learned, source, stream

MANY = source(classes=40, per_class=12)


def made(order: Any = "source", **options: Any) -> Stream:
    return stream("continual_few_shot", source(), order=order, **options)


def labels_of(plan: Stream) -> list[list[int]]:
    """The classes of the source that each support set shows."""
    return [np.unique(source().train.y[update.samples]).tolist() for update in plan.updates]


class TestSupportSets:
    @pytest.mark.parametrize(
        ("sets", "interval"), [(3, 1), (5, 1), (8, 1), (4, 2), (8, 2), (3, 3), (5, 5)]
    )
    def test_those_of_the_paper(self, sets: int, interval: int) -> None:
        plan = stream(
            "continual_few_shot",
            MANY,
            support_sets=sets,
            class_change_interval=interval,
            way=5,
            shot=2,
        )
        assert [len(update.samples) for update in plan.updates] == [10] * sets
        assert len(plan.class_order) == sets // interval * 5
        y = MANY.train.y
        for update in plan.updates:
            assert set(np.bincount(y[update.samples])) == {0, 2}
        assert len(np.unique(learned(plan))) == len(learned(plan))

    def test_an_interval_of_one_brings_new_classes_every_time(self) -> None:
        plan = made(support_sets=3, way=2, shot=1)
        assert labels_of(plan) == [[0, 1], [2, 3], [4, 5]]
        assert [update.classes.tolist() for update in plan.updates] == [[0, 1], [2, 3], [4, 5]]

    def test_a_longer_one_brings_new_samples_of_the_same(self) -> None:
        plan = made(support_sets=4, class_change_interval=2, way=3, shot=2)
        assert labels_of(plan) == [[0, 1, 2], [0, 1, 2], [3, 4, 5], [3, 4, 5]]
        assert [update.classes.tolist() for update in plan.updates] == [
            [0, 1, 2],
            [],
            [3, 4, 5],
            [],
        ]

    def test_the_target_set_is_all_test_samples_of_the_classes_that_came(self) -> None:
        plan = made(support_sets=2, way=2, shot=1)
        asked = np.concatenate([each.samples for each in plan.evals])
        np.testing.assert_array_equal(np.sort(asked), np.flatnonzero(source().test.y < 4))
        assert [each.since for each in plan.evals] == [1, 2]


class TestDraws:
    def test_classes_are_drawn_by_the_seed(self) -> None:
        options = {"order": "random", "support_sets": 2, "way": 2, "shot": 1}
        drawn = [set(made(**options, order_seed=seed).class_order.tolist()) for seed in range(20)]
        assert all(len(each) == 4 for each in drawn)
        assert set.union(*drawn) == set(range(6))
        assert len(set(map(frozenset, drawn))) > 5

    def test_fewer_shots_are_among_those_of_fewer_sets_alike(self) -> None:
        """What is drawn of a class is a row that the sets take their shots from."""
        one = made(support_sets=1, way=2, shot=6)
        two = made(support_sets=2, class_change_interval=2, way=2, shot=3)
        assert set(learned(one)) == set(learned(two))


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"support_sets": 4}, "4 support_sets of 2 classes .* need 8 classes; got 6"),
        (
            {"support_sets": 3, "class_change_interval": 2},
            "class_change_interval of 2 does not divide 3 support_sets",
        ),
        (
            {"class_change_interval": 2, "shot": 6},
            "class 0 has 10 training samples; 2 support sets of 6 need 12",
        ),
        ({"way": 0}, "way must be a whole number, 1 or more; got 0"),
        ({"shot": 1.5}, "shot must be a whole number, 1 or more; got 1.5"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        made(**({"support_sets": 2, "way": 2, "shot": 1} | options))


def test_task_ids_go_with_new_classes_alone() -> None:
    tasks = Protocol(setting="task-incremental", task_ids=True)
    options = {"support_sets": 2, "way": 2, "shot": 1}
    plan = stream("continual_few_shot", source(), tasks, **options)
    assert [update.task for update in plan.updates] == [0, 1]
    with pytest.raises(ClbenchError, match="task_ids must be false"):
        stream("continual_few_shot", source(), tasks, **options, class_change_interval=2)


def test_the_instance_test_asks_for_each_image_from_its_update_on() -> None:
    images = open_source(parse_spec("instances,source=digits,alter=noise,copies=3"))
    plan = stream("continual_few_shot", images, support_sets=10, way=2, shot=1)
    assert [len(update.samples) for update in plan.updates] == [2] * 10
    for update, asked in zip(plan.updates, plan.evals, strict=True):
        assert len(asked.samples) == 2 * 3
        shown = images.train.y[update.samples]
        np.testing.assert_array_equal(np.unique(images.test.y[asked.samples]), np.unique(shown))
