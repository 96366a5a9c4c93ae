"""How well scores tell two sides apart: against scikit-learn, counting and Gaussians."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.roc import area_under_roc, balanced_accuracy, true_positive_rate

FEW = settings(max_examples=25, deadline=None)
LONG = st.lists(st.integers(-5, 5), min_size=10, max_size=20)
SIDE = st.lists(st.integers(-5, 5), min_size=1, max_size=20)  # with many ties


def judged(members, non_members):
    truth = np.repeat([1, 0], [len(members), len(non_members)])
    return truth, np.array([*members, *non_members], dtype=float)


@FEW
@given(SIDE, SIDE)
def test_area_and_accuracy_are_scikit_learns(members, non_members):
    truth, score = judged(members, non_members)
    sides = np.array(members), np.array(non_members)
    assert area_under_roc(*sides) == pytest.approx(roc_auc_score(truth, score))
    expected = balanced_accuracy_score(truth, score > 1)
    assert balanced_accuracy(*sides, threshold=1) == pytest.approx(expected)


@FEW
@given(SIDE, LONG, st.sampled_from([0.1, 0.2, 0.5]))
def test_no_threshold_within_the_false_positives_finds_more(members, non_members, fpr):
    inside, outside = np.array(members), np.array(non_members)
    tried = [t for t in range(-6, 7) if (outside > t).mean() <= fpr]
    expected = max((inside > t).mean() for t in tried)
    assert true_positive_rate(inside, outside, fpr) == pytest.approx(expected)


def test_shifted_gaussians_are_told_apart_as_in_theory():
    quantiles = norm.ppf((np.arange(20_000) + 0.5) / 20_000)
    sides = quantiles + 1, quantiles
    assert area_under_roc(*sides) == pytest.approx(norm.cdf(1 / np.sqrt(2)), abs=1e-4)
    assert balanced_accuracy(*sides, threshold=0.5) == pytest.approx(norm.cdf(0.5), abs=1e-4)
    found = true_positive_rate(*sides, 0.01)
    assert found == pytest.approx(norm.cdf(1 + norm.ppf(0.01)), abs=1e-3)


def test_scores_stay_as_they_are_and_may_have_any_shape():
    members, non_members = np.array([[3.0, 1.0], [2.0, 4.0]]), np.array([[2.5, 0.0]])
    assert area_under_roc(members, non_members) == (2 + 1 + 1 + 2) / 8
    assert non_members.tolist() == [[2.5, 0.0]]


def test_one_of_a_thousand_is_allowed():
    outside = np.arange(1000.0)
    assert true_positive_rate(np.array([998.5, 997.5]), outside, 0.001) == 0.5


def test_what_has_no_value_says_why():
    side = np.zeros(5)
    with pytest.raises(NotMeasured, match="0 members against 5"):
        area_under_roc(side[:0], side)
    with pytest.raises(NotMeasured, match="diverged"):
        balanced_accuracy(side, np.array([np.nan]))
    with pytest.raises(NotMeasured, match="needs 100 non-members"):
        true_positive_rate(side, side, 0.01)
    with pytest.raises(ClbenchError, match="between 0 and 1; got 1"):
        true_positive_rate(side, side, 1)
