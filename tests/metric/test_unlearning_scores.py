"""Scores from accuracies: values by hand, bounds, and names that mean two things."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ttest_ind

from clbench.metric import NotMeasured
from clbench.metric.unlearning import (
    aus_duck,
    aus_trail,
    average_gap,
    deviation,
    h_lr_trail,
    nomus,
    retention_ratio,
    signed_gap,
    tug_of_war,
)
from clbench.statistics import mean_interval

FEW = settings(max_examples=25, deadline=None)
SHARE, GAP = st.floats(0, 1), st.floats(-1, 1)
MODELS = st.lists(st.integers(0, 20).map(lambda k: k / 20), min_size=2, max_size=8)


class TestDeviation:
    @FEW
    @given(MODELS, MODELS)
    def test_its_interval_is_welchs(self, unlearned, oracles):
        found = deviation(unlearned, oracles)
        assert found.gap == pytest.approx(np.mean(unlearned) - np.mean(oracles))
        if len(set(unlearned)) > 1 and len(set(oracles)) > 1:
            expected = ttest_ind(unlearned, oracles, equal_var=False).confidence_interval(0.95)
            assert (found.low, found.high) == pytest.approx((expected.low, expected.high))

    def test_against_a_side_without_spread_it_is_students(self):
        unlearned, expected = [0.5, 0.6, 0.9], mean_interval([0.5, 0.6, 0.9])
        found = deviation(unlearned, [0.4, 0.4])
        assert (found.low, found.high) == pytest.approx((expected.low - 0.4, expected.high - 0.4))

    @pytest.mark.parametrize(
        ("unlearned", "verdict"),
        [
            ([0.90, 0.91, 0.92], "under-unlearned"),
            ([0.70, 0.71, 0.69], "as the oracle"),
            ([0.10, 0.00, 0.05], "over-unlearned"),
        ],
    )
    def test_either_direction_is_as_far_from_the_oracle(self, unlearned, verdict):
        assert deviation(unlearned, [0.71, 0.69, 0.70]).verdict == verdict

    def test_forgetting_too_much_is_no_better_than_forgetting_too_little(self):
        oracles = [0.7, 0.7]
        over, under = deviation([0.5, 0.5], oracles), deviation([0.9, 0.9], oracles)
        assert over.distance == pytest.approx(under.distance)
        assert (over.verdict, under.verdict) == ("over-unlearned", "under-unlearned")

    def test_models_without_spread_are_what_they_are(self):
        same = deviation([0.3, 0.3], [0.3, 0.3])
        assert (same.gap, same.low, same.high, same.verdict) == (0, 0, 0, "as the oracle")

    def test_one_model_has_no_interval(self):
        with pytest.raises(NotMeasured, match="2 models a side; got 1 and 3"):
            deviation([0.5], [0.5, 0.6, 0.7])


class TestGaps:
    def test_they_keep_their_sign_until_they_are_averaged(self):
        gaps = [signed_gap([0.8], [0.9]), signed_gap(np.array([1.0, 0.9]), [0.85])]
        assert gaps == pytest.approx([-0.1, 0.1])
        assert average_gap(gaps) == pytest.approx(0.1)

    def test_an_oracle_is_at_the_best_end_of_all(self):
        assert average_gap([0.0, 0.0, 0.0]) == 0
        assert tug_of_war(0, 0, 0) == 1

    def test_tug_of_war_by_hand(self):
        assert tug_of_war(-0.2, 0.1, -0.5) == pytest.approx(0.8 * 0.9 * 0.5)

    @FEW
    @given(GAP, GAP, GAP)
    def test_tug_of_war_has_bounds_and_no_side(self, forget, retain, test):
        found = tug_of_war(forget, retain, test)
        assert 0 <= found <= 1
        assert found == tug_of_war(-forget, -retain, -test)
        assert tug_of_war(forget / 2, retain, test) >= found

    def test_without_models_there_is_no_gap(self):
        with pytest.raises(NotMeasured, match="0 models against 1 oracles"):
            signed_gap([], [0.5])
        with pytest.raises(NotMeasured, match="no gaps"):
            average_gap([])


class TestNamesThatClash:
    def test_two_scores_called_aus_differ(self):
        forget, test, original = 0.2, 0.8, 0.9
        assert aus_duck(forget, test, original) == pytest.approx(0.9 / 1.6)
        assert aus_trail(forget, test) == pytest.approx(0.8 * 0.8)

    def test_one_of_them_rewards_forgetting_too_much(self):
        # forgotten samples answered as well as unseen ones, and all of them wrong
        assert aus_duck(0.8, 0.8, 0.8) > aus_duck(0.0, 0.8, 0.8)
        assert aus_trail(0.8, 0.8) < aus_trail(0.0, 0.8)

    def test_trails_h_lr_is_a_harmonic_mean(self):
        assert h_lr_trail(0.5, 1.0) == pytest.approx(2 * 0.5 / 1.5)
        assert h_lr_trail(1.0, 0.0) == 0

    @FEW
    @given(SHARE, SHARE, SHARE)
    def test_they_have_bounds(self, forget, test, other):
        assert 0 <= aus_duck(forget, test, other) <= 2
        assert 0 <= aus_trail(forget, test) <= 1
        assert 0 <= h_lr_trail(forget, test) <= 1 + 1e-12
        assert 0 <= nomus(test, other) <= 1


def test_nomus_takes_an_attack_that_is_always_wrong_for_one_that_is_always_right():
    assert nomus(0.8, 0.5) == pytest.approx(0.9)
    assert nomus(0.8, 1.0) == nomus(0.8, 0.0) == pytest.approx(0.4)
    assert nomus(0.8, 1.0, weight=1) == 0.8


def test_retention_is_relative_to_the_original():
    assert retention_ratio(0.6, 0.8) == pytest.approx(0.75)
    with pytest.raises(NotMeasured, match="never right"):
        retention_ratio(0.6, 0)
