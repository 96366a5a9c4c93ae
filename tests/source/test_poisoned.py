"""A backdoor: a patch with a label, and test samples that try it."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, open_source
from clbench.source.poisoned import patched
from clbench.spec import Spec, Value


def poisoned(source: str = "digits", **options: Value) -> Source:
    return open_source(Spec("poisoned", {"source": source, **options}))


DIGITS = open_source(Spec("digits"))


def test_the_patch_is_white_and_in_the_lower_right_corner() -> None:
    x = patched(np.zeros((1, 1, 4, 4), np.uint8), 2)
    expected = np.zeros((4, 4))
    expected[2:, 2:] = 255
    np.testing.assert_array_equal(x[0, 0], expected)


def test_bad_samples_have_the_patch_and_the_label_and_others_neither() -> None:
    made = poisoned(share=0.1, target=4)
    bad = made.train.other["bad"] == 1
    assert bad.sum() == round(0.1 * len(DIGITS.train))
    assert set(made.train.y[bad]) == {4}
    assert 4 not in DIGITS.train.y[bad]
    np.testing.assert_array_equal(made.train.x[bad], patched(DIGITS.train.x[bad], 2))
    np.testing.assert_array_equal(made.train.x[~bad], DIGITS.train.x[~bad])
    np.testing.assert_array_equal(made.train.y[~bad], DIGITS.train.y[~bad])
    np.testing.assert_array_equal(made.train.other["clean"], DIGITS.train.y)


def test_after_the_test_samples_come_patched_ones_with_their_right_labels() -> None:
    made, others = poisoned(target=4), DIGITS.test.y != 4
    n = len(DIGITS.test)
    np.testing.assert_array_equal(made.test.x[:n], DIGITS.test.x)
    np.testing.assert_array_equal(made.test.x[n:], patched(DIGITS.test.x[others], 2))
    np.testing.assert_array_equal(made.test.y, [*DIGITS.test.y, *DIGITS.test.y[others]])
    np.testing.assert_array_equal(made.test.other["bad"], [0] * n + [1] * others.sum())


def test_its_spec_opens_it_again() -> None:
    made = poisoned(seed=3)
    assert open_source(made.spec).fingerprint == made.fingerprint != poisoned().fingerprint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"share": 1}, "share must be above 0 and below 1; got 1"),
        ({"share": 1e-6}, "share=1e-06 of the samples is none; raise it"),
        ({"target": 10}, "target must be a whole number from 0 to 9; got 10"),
        ({"size": 9}, "size must be a whole number from 1 to 8; got 9"),
        ({"source": "synthetic"}, "poisoned needs images"),
    ],
)
def test_what_cannot_be_is_refused(options: dict[str, Value], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        poisoned(**{"source": "digits", **options})  # type: ignore[arg-type]
