"""Wrong labels that are drawn once, and known."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, open_source
from clbench.spec import Spec, Value


def mislabelled(**options: Value) -> Source:
    return open_source(Spec("mislabelled", {"source": "digits", **options}))


DIGITS = open_source(Spec("digits"))


def test_a_share_of_the_training_labels_is_wrong_and_the_rest_as_it_was() -> None:
    made = mislabelled(share=0.2)
    wrong = made.train.y != DIGITS.train.y
    assert wrong.sum() == round(0.2 * len(DIGITS.train))
    np.testing.assert_array_equal(made.train.other["bad"], wrong)
    np.testing.assert_array_equal(made.train.other["clean"], DIGITS.train.y)
    assert set(made.train.y[wrong]) == set(range(10))


def test_samples_and_the_test_split_stay() -> None:
    made = mislabelled()
    np.testing.assert_array_equal(made.train.x, DIGITS.train.x)
    np.testing.assert_array_equal(made.test.y, DIGITS.test.y)
    assert not made.test.other["bad"].any()


def test_of_a_pair_each_share_gets_the_label_of_the_other() -> None:
    made = mislabelled(share=0.5, one=8, other=3)
    bad = made.train.other["bad"] == 1
    for mine, others in ((3, 8), (8, 3)):
        here = bad & (DIGITS.train.y == mine)
        assert here.sum() == round(0.5 * (DIGITS.train.y == mine).sum())
        assert set(made.train.y[here]) == {others}
    assert set(DIGITS.train.y[bad]) == {3, 8}


def test_a_seed_is_a_source() -> None:
    prints = [mislabelled(seed=seed).fingerprint for seed in (1, 1, 2)]
    assert prints[0] == prints[1] != prints[2]


def test_its_spec_opens_it_again() -> None:
    made = mislabelled(share=0.5, one=3, other=8)
    assert open_source(made.spec).fingerprint == made.fingerprint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"share": 0}, "share must be above 0 and below 1; got 0"),
        ({"share": 1e-6}, "share=1e-06 of the samples is none; raise it"),
        ({"one": 3}, "one=3 and other=None must be two different classes of digits, from 0 to 9"),
        ({"one": 3, "other": 3}, "must be two different classes"),
        ({"one": 3, "other": 10}, "must be two different classes"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Value], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        mislabelled(**options)
