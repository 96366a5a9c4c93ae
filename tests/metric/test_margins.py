"""Margins against their definition, and the walk over tables of them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.margins import BLOCK, at_least, blocks, confidence, margins, whole

FEW = settings(max_examples=25, deadline=None)
LOGITS = arrays(np.float64, (3, 4), elements=st.floats(-30, 30))


@FEW
@given(LOGITS)
def test_it_is_the_label_against_the_others(logits):
    labels = np.array([0, 3, 1])
    for row, label, found in zip(logits, labels, margins(logits, labels), strict=True):
        others = np.delete(row, label)
        assert found == pytest.approx(row[label] - np.log(np.exp(others).sum()))


@FEW
@given(LOGITS)
def test_it_is_the_logit_of_the_confidence(logits):
    labels = np.array([2, 2, 0])
    p = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    found = confidence(margins(logits, labels))
    assert found == pytest.approx(p[np.arange(3), labels])


def test_two_classes_give_the_difference_of_logits_however_sure():
    logits = np.array([[60.0, -60.0], [-60.0, 60.0]])
    assert margins(logits, np.array([0, 0])).tolist() == [120, -120]


def test_many_models_are_asked_at_once():
    logits = np.random.default_rng(0).normal(size=(5, 7, 3)).astype(np.float32)
    labels = np.arange(7) % 3
    found = margins(logits, labels)
    assert found.shape == (5, 7)
    assert found.dtype == np.float64
    assert found[2] == pytest.approx(margins(logits[2], labels))


def test_a_label_without_rival_or_logit_is_an_error():
    with pytest.raises(ClbenchError, match="one class"):
        margins(np.zeros((2, 1)), np.zeros(2, dtype=int))
    with pytest.raises(ClbenchError, match=r"0 \.\. 2; got -1 \.\. 3"):
        margins(np.zeros((2, 3)), np.array([-1, 3]))


def test_blocks_cover_all_points_once_and_stay_small():
    first = np.arange(10 * 60_000, dtype=np.float32).reshape(10, -1) % 50
    seen = [(part, a) for part, a, _ in blocks(first, first)]
    assert all(2 * a.size <= BLOCK for _, a in seen)
    assert np.array_equal(np.concatenate([a for _, a in seen], axis=1), first)
    assert [part.start for part, _ in seen[1:]] == [part.stop for part, _ in seen[:-1]]


def test_margins_beyond_certainty_are_cut_off_and_tables_stay_as_they_are():
    table = np.array([[np.inf, -250.0, 3.0]])
    assert whole(table).tolist() == [[100, -100, 3]]
    assert table[0, 1] == -250


def test_what_has_no_value_says_why():
    ones = np.ones((2, 3))
    with pytest.raises(NotMeasured, match="diverged"):
        whole(np.array([[1.0, np.nan]]))
    with pytest.raises(NotMeasured, match="0 models against 2"):
        list(blocks(ones[:0], ones))
    with pytest.raises(NotMeasured, match="no points"):
        whole(ones[:, :0])
    with pytest.raises(NotMeasured, match="at least 3 models a side; got 2"):
        at_least(3, ones, np.ones((5, 3)))
    with pytest.raises(ClbenchError, match=r"\(2, 3\) and \(2, 4\)"):
        list(blocks(ones, np.ones((2, 4))))
