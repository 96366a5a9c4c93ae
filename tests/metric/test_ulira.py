"""U-LiRA against a loop over targets, Gaussians of known overlap, and one threshold for all."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import norm

from clbench.metric import NotMeasured
from clbench.metric.attack import threshold_attack
from clbench.metric.ulira import (
    SIGMA,
    ulira_balanced_accuracy,
    ulira_log_odds,
    ulira_true_positive_rate,
)

TABLES = arrays(np.float64, (5, 2), elements=st.integers(-20, 20).map(lambda k: k / 4))


def normals(models: int, points: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(models, points))


def log_odds(target: float, forgotten: np.ndarray, unseen: np.ndarray) -> float:
    """Of one target, from fits to all margins that are given."""
    fits = [(side.mean(), max(side.std(ddof=1), SIGMA)) for side in (forgotten, unseen)]
    first, second = (norm.logpdf(target, *fit) for fit in fits)
    return float(first - second)


@settings(max_examples=25, deadline=None)
@given(TABLES, TABLES)
def test_each_target_is_left_out_of_its_own_fit(unlearned, oracles):
    found = ulira_log_odds(unlearned, oracles)
    for x, (u, o) in enumerate(zip(unlearned.T, oracles.T, strict=True)):
        for i in range(5):
            expected = log_odds(u[i], np.delete(u, i), o)
            assert found.forgotten[i, x] == pytest.approx(expected, rel=1e-6, abs=1e-6)
            expected = log_odds(o[i], u, np.delete(o, i))
            assert found.unseen[i, x] == pytest.approx(expected, rel=1e-6, abs=1e-6)


@pytest.mark.parametrize("shift", [0.5, 1.0, 3.0])
def test_shifted_gaussians_are_told_apart_as_in_theory(shift):
    unlearned, oracles = normals(400, 200) + shift, normals(400, 200, 1)
    found = ulira_balanced_accuracy(unlearned, oracles)
    assert found == pytest.approx(norm.cdf(shift / 2), abs=0.01)
    found = ulira_true_positive_rate(unlearned, oracles, 0.01)
    assert found == pytest.approx(norm.cdf(shift + norm.ppf(0.01)), abs=0.02)


def test_where_nothing_differs_it_guesses():
    unlearned, oracles = normals(100, 500), normals(100, 500, 1)
    assert 0.48 < ulira_balanced_accuracy(unlearned, oracles) < 0.505
    assert ulira_true_positive_rate(unlearned, oracles, 0.01) == pytest.approx(0.01, abs=0.005)


def test_judging_targets_by_fits_that_hold_them_finds_what_is_not_there():
    u, o = normals(4, 2000), normals(4, 2000, 1)
    first, second = (norm(side.mean(axis=0), side.std(axis=0, ddof=1)) for side in (u, o))
    found = [(first.logpdf(side) > second.logpdf(side)).mean() for side in (u, o)]
    assert (found[0] + 1 - found[1]) / 2 > 0.6  # in sample
    assert ulira_balanced_accuracy(u, o) < 0.5


def test_one_threshold_for_all_points_understates():
    hardness = 5 * normals(1, 300, 2)  # points differ more than models do
    unlearned, oracles = normals(50, 300) + hardness + 1.5, normals(50, 300, 1) + hardness
    assert threshold_attack(unlearned, oracles) < 0.6
    assert ulira_balanced_accuracy(unlearned, oracles) > 0.75


def test_models_that_agree_exactly_have_a_value():
    # fitted to right-or-wrong answers, public code divides 0 by 0 here
    same = np.ones((4, 3))
    assert ulira_balanced_accuracy(same, same) == 0.5
    assert ulira_balanced_accuracy(same + 1, same) == 1


def test_the_order_of_models_does_not_matter():
    unlearned, oracles = normals(10, 20), normals(12, 20, 1)
    found = ulira_balanced_accuracy(unlearned, oracles)
    assert ulira_balanced_accuracy(unlearned[::-1], oracles[::-1]) == pytest.approx(found)


def test_two_models_leave_no_spread():
    with pytest.raises(NotMeasured, match="at least 3 models a side; got 2"):
        ulira_log_odds(normals(2, 3), normals(5, 3))
