"""Distances between outputs against SciPy, loops over pairs, and two published mistakes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.output_distance import (
    activation_distance,
    churn_to_oracle,
    completeness,
    divergence_to_oracle,
    jensen_shannon,
    zero_retrain_forgetting,
)

FEW = settings(max_examples=25, deadline=None)
LOGITS = arrays(np.float64, (4, 3), elements=st.floats(-9, 9))
ANSWERS = arrays(np.int64, (3, 5), elements=st.integers(0, 3))


def one_hot(classes: int, answer: int, rest: float = 1e-6) -> np.ndarray:
    """Logits whose softmax is (nearly) all on one class."""
    p = np.full((1, classes), rest)
    p[0, answer] = 1
    return np.log(p)


class TestDivergence:
    @FEW
    @given(LOGITS, LOGITS)
    def test_it_is_scipys_squared(self, first, second):
        p, q = softmax(first, axis=1), softmax(second, axis=1)
        expected = np.nan_to_num(jensenshannon(p, q, base=2, axis=1)) ** 2  # of rounding below 0
        assert jensen_shannon(first, second) == pytest.approx(expected, abs=1e-9)

    @FEW
    @given(LOGITS, LOGITS)
    def test_it_has_bounds_and_no_side(self, first, second):
        found = jensen_shannon(first, second)
        assert ((found >= 0) & (found <= 1)).all()
        assert jensen_shannon(second, first) == pytest.approx(found, abs=1e-12)
        assert jensen_shannon(first, first) == pytest.approx(0, abs=1e-12)

    @pytest.mark.parametrize(("classes", "wrong"), [(100, 0.062), (10, 0.62)])
    def test_disjoint_answers_are_all_apart_whatever_the_number_of_classes(self, classes, wrong):
        """Public code takes KL(m || p) for KL(p || m), and the mean over samples and classes."""
        first, second = one_hot(classes, 0), one_hot(classes, 1)
        p, q = np.exp(first), np.exp(second)
        m = (p + q) / 2
        published = (m * np.log(m / p)).mean() / 2 + (m * np.log(m / q)).mean() / 2
        assert published == pytest.approx(wrong, rel=0.01)
        assert jensen_shannon(first, second) == pytest.approx(1, abs=1e-3)
        assert zero_retrain_forgetting(first, second) == pytest.approx(0, abs=1e-3)
        if classes == 100:
            assert 1 - published > 0.937  # whatever the model answers

    def test_models_and_samples_are_both_averaged(self):
        first, second = one_hot(4, 0), one_hot(4, 1)
        models = np.stack([first, second]), np.stack([second, second])
        assert jensen_shannon(*models).shape == (2, 1)
        assert divergence_to_oracle(*models) == pytest.approx(0.5, abs=1e-3)

    def test_a_model_like_one_that_never_learnt_has_forgotten_all(self):
        flat = np.zeros((3, 5))
        assert zero_retrain_forgetting(flat, flat) == 1


class TestActivationDistance:
    @FEW
    @given(LOGITS, LOGITS)
    def test_it_is_the_mean_of_distances(self, first, second):
        pairs = zip(softmax(first, axis=1), softmax(second, axis=1), strict=True)
        expected = np.mean([np.sqrt(((p - q) ** 2).sum()) for p, q in pairs])
        assert activation_distance(first, second) == pytest.approx(expected)

    def test_it_is_not_the_root_of_the_mean_square(self):
        first = np.vstack([one_hot(2, 0), np.zeros((1, 2))])
        second = np.vstack([one_hot(2, 1), np.zeros((1, 2))])
        found = activation_distance(first, second)
        assert found == pytest.approx(np.sqrt(2) / 2, rel=1e-4)
        square = ((softmax(first, axis=1) - softmax(second, axis=1)) ** 2).sum(axis=1).mean()
        assert np.sqrt(square) == pytest.approx(1, rel=1e-4)


class TestCompleteness:
    @FEW
    @given(ANSWERS, ANSWERS)
    def test_it_is_the_mean_over_all_pairs(self, unlearned, oracles):
        pairs = [(u == o).mean() for u in unlearned for o in oracles]
        assert completeness(unlearned, oracles) == pytest.approx(np.mean(pairs))
        assert churn_to_oracle(unlearned, oracles) == pytest.approx(1 - np.mean(pairs))

    def test_one_model_against_itself_is_complete(self):
        assert completeness(np.array([[3, 1, 2]]), np.array([[3, 1, 2]])) == 1

    def test_answers_may_be_wrong_alike(self):
        assert completeness(np.array([[9, 9]]), np.array([[9, 0]])) == 0.5


def test_what_has_no_value_says_why():
    logits, answers = np.zeros((2, 3)), np.zeros((2, 3), dtype=int)
    with pytest.raises(ClbenchError, match=r"\(2, 3\) and \(2, 2\)"):
        jensen_shannon(logits, logits[:, :2])
    with pytest.raises(NotMeasured, match="no samples"):
        activation_distance(logits[:0], logits[:0])
    with pytest.raises(NotMeasured, match="diverged"):
        divergence_to_oracle(logits, np.full((2, 3), np.inf))
    with pytest.raises(ClbenchError, match=r"\(2, 3\) and \(2, 2\)"):
        completeness(answers, answers[:, :2])
    with pytest.raises(NotMeasured, match="no models or samples"):
        completeness(answers, answers[:0])
