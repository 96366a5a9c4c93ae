"""Training samples alone, for tuning."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, open_source
from clbench.spec import Spec, parse_spec


def held_out(source: str, **options: int) -> Source:
    return open_source(Spec("held_out", {"source": source, **options}))


def rows(*arrays: np.ndarray) -> list[bytes]:
    return sorted(row.tobytes() for array in arrays for row in array)


@pytest.mark.parametrize("source", ["digits", "synthetic", "shifted,source=digits,by=rotate"])
def test_its_two_splits_are_the_training_split_and_nothing_else(source: str) -> None:
    plain, made = open_source(parse_spec(source)), held_out(source)
    assert rows(made.train.x, made.test.x) == rows(plain.train.x)
    assert made.classes == plain.classes


def test_one_in_five_of_each_class_is_held_out() -> None:
    made = held_out("synthetic,classes=3,per_class=20")
    assert np.bincount(made.test.y).tolist() == [4, 4, 4]
    assert np.bincount(held_out("synthetic,per_class=20", every=2).test.y).tolist() == [10] * 10


def test_all_copies_of_a_sample_fall_on_one_side() -> None:
    made = held_out("shifted,source=digits,by=permute")
    per_copy = np.split(np.sort(made.test.x.reshape(len(made.test), -1)), 5)
    for copy in per_copy[1:]:  # a permutation keeps the values of an image
        np.testing.assert_array_equal(copy, per_copy[0])


def test_what_cannot_be_held_out() -> None:
    with pytest.raises(ClbenchError, match=r"class 0 of synthetic.* too few training samples"):
        held_out("synthetic,per_class=4")
    with pytest.raises(ClbenchError, match="every must be a whole number, 2 or more; got 1"):
        held_out("digits", every=1)
