"""Several sources as one."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, open_source
from clbench.source.joined import split_specs
from clbench.spec import Spec


def joined(sources: str) -> Source:
    return open_source(Spec("joined", {"sources": sources}))


def test_samples_stand_one_after_the_other_and_classes_are_numbered_on() -> None:
    first = open_source(Spec("synthetic", {"classes": 3, "per_class": 4}))
    second = open_source(Spec("synthetic", {"classes": 2, "per_class": 6}))
    made = joined("synthetic,classes=3,per_class=4; synthetic,classes=2,per_class=6")
    np.testing.assert_array_equal(made.train.x, np.concatenate([first.train.x, second.train.x]))
    np.testing.assert_array_equal(made.train.y, np.repeat(range(5), [4, 4, 4, 6, 6]))
    np.testing.assert_array_equal(made.train.other["origin"], np.repeat([0, 1], 12))
    np.testing.assert_array_equal(made.test.y, np.concatenate([first.test.y, second.test.y + 3]))
    assert made.classes == ("1: 0", "1: 1", "1: 2", "2: 0", "2: 1")


def test_its_spec_opens_it_again() -> None:
    made = joined("digits;shifted,source=digits,by=permute,copies=2")
    assert open_source(made.spec).fingerprint == made.fingerprint
    assert made.train.other.keys() == {"origin"}


def test_brackets_keep_specs_whole() -> None:
    assert split_specs("a;joined,sources=[b;c];d") == ["a", "joined,sources=[b;c]", "d"]


def test_samples_of_two_shapes_are_refused() -> None:
    says = r"synthetic.* has samples float32 \(16,\) and digits uint8 \(1, 8, 8\)"
    with pytest.raises(ClbenchError, match=says):
        joined("digits;synthetic")
