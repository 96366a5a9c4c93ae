"""How alike answers are: closed forms, and scikit-learn where it has the same number."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax
from sklearn.metrics import cohen_kappa_score

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.similarity.answers import (
    disagreement,
    error_consistency,
    jensen_shannon,
    scaled_disagreement,
)

RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 4, 200)
FIRST, SECOND = (np.where(RNG.random(200) < 0.6, LABELS, RNG.integers(0, 4, 200)) for _ in range(2))


def test_error_consistency_is_cohens_kappa_of_being_right_and_not_of_the_answers():
    right = FIRST == LABELS, SECOND == LABELS
    assert error_consistency(*right) == pytest.approx(cohen_kappa_score(*right))
    assert error_consistency(*right) != pytest.approx(cohen_kappa_score(FIRST, SECOND), abs=0.05)


def test_error_consistency_is_1_for_the_same_errors_and_minus_1_for_opposite_ones():
    half = np.arange(10) < 5
    assert error_consistency(half, half) == 1
    assert error_consistency(half, ~half) == -1
    with pytest.raises(NotMeasured, match="both models are always right"):
        error_consistency(half | True, half | True)


def test_disagreement_is_the_share_of_other_answers():
    assert disagreement(np.array([0, 1, 2, 3]), np.array([0, 1, 3, 2])) == 0.5


def test_scaled_disagreement_is_0_at_the_least_and_1_at_the_most_that_errors_allow():
    labels, right = np.zeros(10, int), np.zeros(10, int)
    wrong = [np.where(np.isin(np.arange(10), rows), 1, 0) for rows in ((0, 1), (0, 1, 2), (5, 6))]
    assert scaled_disagreement(wrong[0], wrong[1], labels) == pytest.approx(0)
    assert scaled_disagreement(wrong[0], wrong[2], labels) == pytest.approx(1)
    with pytest.raises(NotMeasured, match="error rates alone"):
        scaled_disagreement(right, wrong[0], labels)


def test_answers_to_other_questions_are_refused():
    with pytest.raises(ClbenchError, match=r"\(3,\) and \(4,\)"):
        disagreement(np.zeros(3, int), np.zeros(4, int))
    with pytest.raises(NotMeasured, match="no samples"):
        disagreement(np.zeros(0, int), np.zeros(0, int))


@pytest.mark.parametrize("scale", [1, 30])
def test_jensen_shannon_is_the_square_of_scipys_distance(scale):
    p, q = scale * RNG.normal(size=(2, 50, 6))
    expected = jensenshannon(softmax(p, axis=1), softmax(q, axis=1), base=2, axis=1) ** 2
    np.testing.assert_allclose(jensen_shannon(p, q), expected, atol=1e-12)


def test_peaked_outputs_in_float32_have_a_divergence_where_the_naive_form_has_none():
    p, q = (200 * RNG.normal(size=(2, 50, 100))).astype(np.float32)
    with np.errstate(all="ignore"):
        one, two = softmax(p, axis=1), softmax(q, axis=1)
        naive = (one * np.log2(one / ((one + two) / 2))).sum(axis=1)
    assert np.isnan(naive).all()
    found = jensen_shannon(p, q)
    assert ((found >= 0) & (found <= 1)).all()
    assert found.mean() > 0.9
    np.testing.assert_allclose(jensen_shannon(p, p), 0, atol=1e-15)
    lowest = np.where(np.arange(100) < 5, p, np.finfo(np.float32).min)  # as tasks are masked
    assert np.isfinite(jensen_shannon(lowest, q)).all()
