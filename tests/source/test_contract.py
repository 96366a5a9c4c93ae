"""What is true of every source, and what is said where it is not."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, Split
from clbench.source.base import checked
from clbench.spec import Spec


def vectors(n: int = 4, dim: int = 3) -> np.ndarray:
    return np.arange(n * dim, dtype=np.float32).reshape(n, dim)


def source(train: Split, test: Split | None = None, classes: int = 2, **options) -> Source:
    names = tuple(map(str, range(classes)))
    return Source(Spec("made"), train, test if test is not None else train, names, **options)


GOOD = Split(vectors(), np.array([0, 1, 0, 1]), {"coarse": np.array([0, 0, 0, 1])})


def test_arrays_are_read_only_and_the_callers_stay_writable():
    x = vectors()
    split = Split(x, np.zeros(4, dtype=np.int64))
    with pytest.raises(ValueError, match="read-only"):
        split.x[0] = 1
    x[0] = 1


def test_a_good_source_passes_unchanged():
    made = source(GOOD)
    assert checked(made) is made


@pytest.mark.parametrize(
    ("train", "test", "says"),
    [
        (Split(vectors().astype(np.float64), GOOD.y), None, "float64"),
        (Split(np.zeros((4, 8, 8), np.uint8), GOOD.y), None, r"need uint8 \[N, C, H, W\]"),
        (Split(vectors(3), GOOD.y), None, r"3 samples and labels int64 \(4,\)"),
        (Split(vectors(), GOOD.y.astype(np.int32)), None, r"labels int32"),
        (Split(vectors(), GOOD.y, {"coarse": GOOD.y[:2]}), None, r"coarse int64 \(2,\)"),
        (Split(vectors(), GOOD.y + 1), None, "labels 1 to 2 for 2 classes"),
        (Split(vectors(), GOOD.y - 1), None, "labels -1 to 0"),
        (GOOD, Split(vectors(4, 5), GOOD.y, GOOD.other), r"\(3,\) and test samples \(5,\)"),
        (GOOD, Split(vectors(), GOOD.y), "coarse for train and none for test"),
    ],
)
def test_what_breaks_the_contract_is_named(train: Split, test: Split | None, says: str):
    with pytest.raises(ClbenchError, match=says):
        checked(source(train, test))


def test_the_fingerprint_covers_samples_labels_other_labels_and_names():
    changed = vectors()
    changed[3, 2] += 1
    variants = [
        source(GOOD),
        source(Split(changed, GOOD.y, GOOD.other), GOOD),
        source(GOOD, Split(changed, GOOD.y, GOOD.other)),
        source(Split(vectors(), 1 - GOOD.y, GOOD.other), GOOD),
        source(Split(vectors(), GOOD.y, {"coarse": GOOD.y}), GOOD),
        source(Split(vectors(), GOOD.y, {"kind": GOOD.other["coarse"]}), GOOD),
        source(GOOD, classes=3),
    ]
    assert len({each.fingerprint for each in variants}) == len(variants)


def test_a_fingerprint_that_is_known_is_not_computed_again():
    assert source(GOOD, stored_fingerprint="known").fingerprint == "known"
