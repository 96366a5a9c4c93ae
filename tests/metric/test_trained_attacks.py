"""Attacks that fit a classifier, on known distributions and beside plain scikit-learn."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.ensemble import GradientBoostingClassifier, HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression

from clbench.metric import NotMeasured
from clbench.metric.trained_attacks import boosted_attack, entropy_membership


def normals(n: int, seed: int, shift: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(shift, size=n)


class TestEntropy:
    @pytest.mark.parametrize("shift", [1.0, 3.0])
    def test_unseen_samples_fall_on_the_side_that_they_do_in_theory(self, shift):
        retain, test = normals(4000, 0), normals(4000, 1, shift)
        found = entropy_membership(retain, test, normals(4000, 2, shift))
        assert found == pytest.approx(norm.cdf(-shift / 2), abs=0.02)
        assert entropy_membership(retain, test, normals(4000, 3)) > norm.cdf(shift / 2) - 0.02

    def test_more_retained_than_test_samples_make_nobody_a_member(self):
        """Without weights, 20 times as many members make nearly all samples members."""
        retain, test, unseen = normals(2000, 0), normals(100, 1, 1.0), normals(1000, 2, 1.0)
        plain = LogisticRegression().fit(
            np.r_[retain, test][:, None], np.repeat([1, 0], [2000, 100])
        )
        assert plain.predict(unseen[:, None]).mean() > 0.95
        assert entropy_membership(retain, test, unseen) == pytest.approx(norm.cdf(-0.5), abs=0.08)

    def test_it_is_a_regression_with_one_weight_a_side(self):
        retain, test, forget = normals(300, 0), normals(70, 1, 0.5), normals(90, 2, 0.3)
        weights = np.repeat([370 / 600, 370 / 140], [300, 70])
        by_hand = LogisticRegression().fit(
            np.r_[retain, test][:, None], np.repeat([1, 0], [300, 70]), sample_weight=weights
        )
        expected = (by_hand.coef_[0, 0] * forget + by_hand.intercept_[0] > 0).mean()
        assert entropy_membership(retain, test, forget) == pytest.approx(expected)

    def test_without_samples_nothing_is_measured(self):
        with pytest.raises(NotMeasured, match="9 retained, 0 test, 5 to forget"):
            entropy_membership(normals(9, 0), normals(0, 0), normals(5, 0))


def logits(n: int, sharpness: float, seed: int) -> np.ndarray:
    """[n, 5] outputs that are as sure as they are sharp, of any class."""
    return sharpness * np.random.default_rng(seed).normal(size=(n, 5))


def outputs(each: np.ndarray) -> np.ndarray:
    """Sorted softmax."""
    return np.sort(softmax(each, axis=1), axis=1)


class TestBoosted:
    def test_it_guesses_where_nothing_differs_and_finds_what_is_remembered(self):
        retain, test = logits(600, 6, 0), logits(600, 0.5, 1)
        assert boosted_attack(retain, test, logits(300, 0.5, 2)) == pytest.approx(0.5, abs=0.05)
        assert boosted_attack(retain, test, logits(300, 6, 3)) > 0.95

    def test_other_trees_find_as_much(self):
        retain, test, forget = logits(400, 3, 0), logits(400, 1, 1), logits(200, 3, 2)
        trees = GradientBoostingClassifier(n_estimators=30, random_state=0)
        known = np.r_[outputs(retain[:200]), outputs(test[:200])]
        trees.fit(known, np.repeat([1, 0], 200))
        asked = np.r_[outputs(forget), outputs(test[200:])]
        expected = (trees.predict(asked) == np.repeat([1, 0], 200)).mean()
        assert boosted_attack(retain, test, forget) == pytest.approx(expected, abs=0.05)

    def test_which_class_an_output_is_of_does_not_matter(self):
        sides = logits(80, 3, 0), logits(80, 1, 1), logits(40, 2, 2)
        turned = [np.roll(each, 2, axis=1) for each in sides]
        assert boosted_attack(*turned) == boosted_attack(*sides)

    def test_unequal_sides_would_hide_what_is_remembered(self):
        """Published code fits on as many retained samples as are forgotten, and 5,000 of test."""
        retain, test, forget = logits(2000, 1.5, 0), logits(5000, 1, 10), logits(200, 1.5, 20)
        trees = HistGradientBoostingClassifier(early_stopping=False)
        known = np.r_[outputs(retain[:200]), outputs(test[:4500])]
        trees.fit(known, np.repeat([1, 0], [200, 4500]))
        asked = np.r_[outputs(forget), outputs(test[-200:])]
        assert (trees.predict(asked) == np.repeat([1, 0], 200)).mean() < 0.6
        assert boosted_attack(retain, test, forget) > 0.65

    def test_it_is_the_same_each_time(self):
        sides = logits(60, 3, 0), logits(60, 1, 1), logits(30, 2, 2)
        assert boosted_attack(*sides) == boosted_attack(*sides)

    def test_one_test_sample_is_too_few(self):
        with pytest.raises(NotMeasured, match="8 retained, 0 test, 4 to forget"):
            boosted_attack(logits(8, 1, 0), logits(1, 1, 1), logits(4, 1, 2))
