"""Few-shot and long-tailed streams."""

from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench_scenarios.thinning import tail
from small import source, stream


class TestFewShot:
    def test_all_of_the_base_classes_then_shots(self) -> None:
        plan = stream("few_shot", base=2, way=2, shot=3)
        assert [len(update.samples) for update in plan.updates] == [20, 6, 6]
        assert [update.classes.tolist() for update in plan.updates] == [[0, 1], [2, 3], [4, 5]]
        y = source().train.y
        assert np.bincount(y[plan.updates[2].samples], minlength=6).tolist() == [0, 0, 0, 0, 3, 3]

    def test_that_of_the_literature(self) -> None:
        plan = stream("few_shot", source(100, per_class=6), base=60, way=5, shot=5)
        assert [len(update.samples) for update in plan.updates] == [360] + [25] * 8

    def test_a_class_has_its_shots_whatever_the_order(self) -> None:
        one = stream("few_shot", base=2, way=2, shot=3)
        two = stream("few_shot", base=2, way=2, shot=3, order=[0, 1, 4, 5, 2, 3])
        np.testing.assert_array_equal(one.updates[1].samples, two.updates[2].samples)

    def test_fewer_shots_are_among_more(self) -> None:
        few = stream("few_shot", base=2, way=4, shot=2).updates[1].samples
        assert set(few) < set(stream("few_shot", base=2, way=4, shot=7).updates[1].samples)

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"shot": 11}, "class 2 has 10 training samples; 11 are asked for"),
            ({"shot": 0}, "shot must be a whole number, 1 or more; got 0"),
            ({"base": 7}, "6 classes do not divide into a first update of 7"),
            ({"way": 3}, "6 classes do not divide"),
            ({"shot_seed": -1}, "seed must be a whole number, 0 or more; got -1"),
        ],
    )
    def test_what_cannot_be_made(self, options: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            stream("few_shot", **{"base": 2, "way": 2, "shot": 3} | options)


class TestLongTailed:
    def test_sizes_fall_from_the_largest_to_its_share(self) -> None:
        sizes = tail(100, 500, 0.01)
        assert (sizes[0], sizes[99]) == (500, 5)
        assert sizes[33] == int(500 * 0.01 ** (33 / 99))
        assert tail(1, 500, 0.01).tolist() == [500]
        assert tail(5, 16, 1 / 16).tolist() == [16, 8, 4, 2, 1]

    def test_the_first_class_is_the_largest(self) -> None:
        plan = stream("long_tailed", increment=1, ratio=0.1, order=[3, 0, 5])
        assert [len(update.samples) for update in plan.updates] == [10, 3, 1]

    def test_shuffled_ones_have_the_same_sizes_in_other_places(self) -> None:
        sizes = [
            [len(u.samples) for u in stream("long_tailed", increment=1, ratio=0.1, **given).updates]
            for given in ({}, {"shuffled": True}, {"shuffled": True, "tail_seed": 1})
        ]
        assert sizes[0] == [10, 6, 3, 2, 1, 1]
        assert sorted(sizes[1]) == sorted(sizes[2]) == sorted(sizes[0])
        assert sizes[0] != sizes[1] != sizes[2]

    def test_what_is_asked_stays_whole(self) -> None:
        plan = stream("long_tailed", increment=2, ratio=0.1)
        assert [len(each.samples) for each in plan.evals] == [8, 8, 8]

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"ratio": 0.01}, "the smallest class would get 0.1 samples; need 1 or more"),
            ({"ratio": 1.5}, "ratio must be from 0 to 1; got 1.5"),
            ({"largest": 11}, "class 0 has 10 training samples; 11 are asked for"),
            ({"largest": 0}, "largest must be a whole number, 1 or more"),
            ({"increment": 4}, "6 classes do not divide"),
        ],
    )
    def test_what_cannot_be_made(self, options: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            stream("long_tailed", **{"increment": 2, "ratio": 0.5} | options)
