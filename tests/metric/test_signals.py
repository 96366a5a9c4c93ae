"""Signals of population attacks against sums over classes, scikit-learn and a published mistake."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.special import softmax
from scipy.stats import entropy as scipys_entropy
from sklearn.metrics import log_loss

from clbench.metric.signals import (
    correctness,
    cross_entropy,
    entropy,
    label_confidence,
    modified_entropy,
)

FEW = settings(max_examples=25, deadline=None)
LOGITS = arrays(np.float64, (4, 5), elements=st.integers(-64, 64).map(lambda k: k / 8))
LABELS = np.array([0, 4, 2, 2])


@FEW
@given(LOGITS)
def test_they_are_their_definitions(logits):
    p = softmax(logits, axis=1)
    own = p[np.arange(4), LABELS]
    assert label_confidence(logits, LABELS) == pytest.approx(own)
    assert cross_entropy(logits, LABELS) == pytest.approx(-np.log(own))
    assert entropy(logits) == pytest.approx(scipys_entropy(p, axis=1))
    assert np.array_equal(correctness(logits, LABELS), p.argmax(axis=1) == LABELS)
    for row, label, found in zip(p, LABELS, modified_entropy(logits, LABELS), strict=True):
        rest = [-q * np.log1p(-q) for k, q in enumerate(row) if k != label]
        assert found == pytest.approx(-(1 - row[label]) * np.log(row[label]) + sum(rest), rel=1e-5)


def test_the_mean_loss_is_scikit_learns():
    logits = np.random.default_rng(0).normal(size=(4, 5))
    expected = log_loss(LABELS, softmax(logits, axis=1), labels=range(5))
    assert cross_entropy(logits, LABELS).mean() == pytest.approx(expected)


def test_a_model_without_a_clue_is_at_known_values():
    flat, label = np.zeros((1, 10)), np.array([3])
    assert entropy(flat) == pytest.approx(np.log(10))
    expected = -0.9 * np.log(0.1) - 9 * 0.1 * np.log(0.9)
    assert modified_entropy(flat, label) == pytest.approx(expected)


def test_a_sure_model_has_finite_values():
    sure = np.array([[200.0, 0.0, 0.0]])
    assert modified_entropy(sure, np.array([0])) == pytest.approx(0, abs=1e-12)
    # ln p of the label is -200, ln(1 - p) of the wrong answer is ln 2 - 200
    assert modified_entropy(sure, np.array([1])) == pytest.approx(400, rel=0.01)
    assert cross_entropy(sure, np.array([1])) == pytest.approx(200)


def test_modified_entropy_exchanges_the_label_of_the_sample_alone():
    """Public code exchanges columns of all labels in the batch, and takes ln p for ln(1 - p)."""
    logits = np.array([[0.0, -7.02, -7.02, -7.02, -3.65]] * 5)
    labels = np.array([4, 0, 1, 2, 3])
    p = softmax(logits, axis=1)
    weights, logs = p.copy(), np.log(p)  # the second mistake: there is no ln(1 - p)
    weights[:, labels] = 1 - p[:, labels]  # the first: every column is the label of some sample
    wrong = -(weights * logs).sum(axis=1)
    assert wrong == pytest.approx(24.7, abs=0.02)
    assert modified_entropy(logits, labels)[0] == pytest.approx(7.07, abs=0.01)
    assert modified_entropy(logits[:1], labels[:1]) == pytest.approx(7.07, abs=0.01)


@FEW
@given(LOGITS, st.permutations(range(4)))
def test_a_sample_does_not_depend_on_the_others(logits, order):
    found = modified_entropy(logits, LABELS)
    assert modified_entropy(logits[order], LABELS[order]) == pytest.approx(found[order])
