"""Population attacks on signals of known distributions; what held out is worth."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from clbench.metric import NotMeasured
from clbench.metric.attack import (
    best_threshold,
    indiscernibility,
    logistic_attack,
    svc_mia_efficacy,
    threshold_attack,
)
from clbench.metric.roc import balanced_accuracy

SIDE = st.lists(st.integers(-5, 5), min_size=1, max_size=15)


def normals(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=n)


class TestThreshold:
    @settings(max_examples=25, deadline=None)
    @given(SIDE, SIDE)
    def test_no_other_threshold_or_side_is_better(self, members, non_members):
        inside, outside = np.array(members, dtype=float), np.array(non_members, dtype=float)
        rule = best_threshold(inside, outside)
        found = (rule(inside).mean() + (~rule(outside)).mean()) / 2
        accuracies = [balanced_accuracy(inside, outside, t) for t in np.arange(-6.5, 6)]
        assert found == pytest.approx(max(max(a, 1 - a) for a in accuracies))

    def test_it_lies_halfway_between_values(self):
        assert best_threshold(np.array([3.0, 4.0]), np.array([1.0, 2.0])) == (2.5, True)
        assert best_threshold(np.array([1.0, 2.0]), np.array([3.0, 4.0])) == (2.5, False)

    @pytest.mark.parametrize("shift", [0.5, 2.0, -2.0])
    def test_shifted_gaussians_are_told_apart_as_in_theory(self, shift):
        found = threshold_attack(normals(4000) + shift, normals(5000, 1))
        assert found == pytest.approx(norm.cdf(abs(shift) / 2), abs=0.02)

    def test_in_sample_it_finds_what_is_not_there_and_held_out_it_does_not(self):
        held_out, in_sample = [], []
        for seed in range(60):
            sides = normals(20, seed), normals(20, 1000 + seed)
            rule = best_threshold(*sides)
            in_sample.append((rule(sides[0]).mean() + (~rule(sides[1])).mean()) / 2)
            held_out.append(threshold_attack(*sides, seed=seed))
        assert np.mean(in_sample) > 0.6
        assert np.mean(held_out) == pytest.approx(0.5, abs=0.04)

    def test_a_constant_signal_tells_nothing(self):
        assert threshold_attack(np.ones(10), np.ones(30)) == 0.5

    def test_too_few_samples_are_not_measured(self):
        with pytest.raises(NotMeasured, match="5 folds need as many samples a side; got 4"):
            threshold_attack(normals(4), normals(50))


class TestLogistic:
    def test_it_guesses_where_nothing_differs_and_finds_what_does(self):
        assert logistic_attack(normals(500), normals(700, 1)) == pytest.approx(0.5, abs=0.06)
        found = logistic_attack(normals(500) - 3, normals(700, 1))
        assert found == pytest.approx(norm.cdf(1.5), abs=0.03)

    def test_it_is_the_same_each_time(self):
        sides = normals(60) - 1, normals(40, 1)
        assert logistic_attack(*sides) == logistic_attack(*sides)

    def test_too_few_samples_are_not_measured(self):
        with pytest.raises(NotMeasured, match="at least 10 samples a side; got 9"):
            logistic_attack(normals(9), normals(50))


class TestSVC:
    RETAIN, TEST = 0.95 + 0.01 * normals(300), 0.6 + 0.1 * normals(200, 1)

    def test_what_looks_unseen_is_forgotten_and_what_looks_retained_is_not(self):
        unseen, seen = 0.6 + 0.1 * normals(100, 2), 0.95 + 0.01 * normals(100, 3)
        assert svc_mia_efficacy(self.RETAIN, self.TEST, unseen) > 0.9
        assert svc_mia_efficacy(self.RETAIN, self.TEST, seen) < 0.1

    def test_as_many_retained_as_test_samples_are_fitted_the_first_ones(self):
        forget = np.linspace(0.3, 1, 50)
        cut = svc_mia_efficacy(self.RETAIN[:200], self.TEST, forget)
        assert svc_mia_efficacy(self.RETAIN, self.TEST, forget) == cut
        most = svc_mia_efficacy(self.RETAIN[:30], self.TEST[:30], forget)
        assert svc_mia_efficacy(self.RETAIN, self.TEST, forget, most=30) == most

    def test_whole_predictions_are_a_signal_too(self):
        rows = [np.column_stack([side, 1 - side]) for side in (self.RETAIN, self.TEST)]
        assert svc_mia_efficacy(*rows, rows[1][:50]) > 0.9

    def test_without_samples_nothing_is_measured(self):
        with pytest.raises(NotMeasured, match="300 retained, 200 test, 0 to forget"):
            svc_mia_efficacy(self.RETAIN, self.TEST, self.TEST[:0])


@pytest.mark.parametrize(("attack", "expected"), [(0.5, 1), (1, 0), (0, 0), (0.75, 0.5)])
def test_an_attack_that_is_always_wrong_tells_all(attack, expected):
    assert indiscernibility(attack) == expected
