"""Datamodels against models whose outputs are linear in the subset, and against brute force."""

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from clbench.ensemble.datamodels import (
    RIDGES,
    Datamodels,
    choose_penalty,
    lasso_datamodels,
    random_subsets,
    ridge_contrast,
    ridge_datamodels,
)
from clbench.ensemble.lds import linear_datamodelling_score
from clbench.errors import ClbenchError

RNG = np.random.default_rng(0)


def noisy(masks: np.ndarray, m: int = 3, classes: int = 2) -> np.ndarray:
    """Outputs [K, m, C] that are linear in the mask, and noise."""
    weights = RNG.normal(size=(masks.shape[1], m, classes))
    return np.tensordot(masks, weights, 1) + RNG.normal(size=(len(masks), m, classes))


class TestSubsets:
    def test_have_one_size_and_differ(self) -> None:
        masks = random_subsets(11, 20, 0.5, seed=0)
        assert masks.dtype == np.bool_
        assert (masks.sum(1) == round(0.5 * 11)).all()
        assert len(np.unique(masks, axis=0)) > 15

    def test_hold_each_sample_alike(self) -> None:
        rates = random_subsets(10, 4000, 0.3, seed=1).mean(0)
        assert np.abs(rates - 0.3).max() < 4 * np.sqrt(0.3 * 0.7 / 4000)

    def test_more_of_them_extend_the_list(self) -> None:
        assert np.array_equal(random_subsets(9, 8, 0.5, 3)[:5], random_subsets(9, 5, 0.5, 3))

    @pytest.mark.parametrize("share", [0, 0.01, 0.99, 1])
    def test_are_neither_empty_nor_whole(self, share: float) -> None:
        with pytest.raises(ClbenchError, match="it must be 1 to 9"):
            random_subsets(10, 2, share, 0)


class TestALinearModel:
    """The mean label of a subset of fixed size is linear in the mask: a datamodel can be exact."""

    LABELS = RNG.normal(size=(12, 1, 2))

    def outputs(self, masks: np.ndarray) -> np.ndarray:
        return np.stack([self.LABELS[mask].mean(0) for mask in masks])

    @pytest.mark.parametrize("fit", [ridge_datamodels, lasso_datamodels])
    def test_is_predicted_on_subsets_that_were_not_fitted(self, fit: object) -> None:
        masks, held = np.split(random_subsets(12, 90, 0.5, 0), [80])
        penalty = {ridge_datamodels: 1e-8, lasso_datamodels: 1e-5}[fit]
        found: Datamodels = fit(masks, self.outputs(masks), penalty)  # type: ignore[operator]
        assert np.allclose(found.predict(held), self.outputs(held), atol=2e-4)
        score = linear_datamodelling_score(found.predict(held), self.outputs(held))
        assert score == pytest.approx(1, abs=1e-3)

    def test_weights_are_those_of_the_mean(self) -> None:
        """Up to what is common to all samples, which a fixed size does not tell."""
        masks = random_subsets(12, 80, 0.5, 0)
        found = ridge_datamodels(masks, self.outputs(masks), 1e-8).weights
        expected = self.LABELS / 6
        assert np.allclose(found - found.mean(0), expected - expected.mean(0), atol=1e-6)


class TestRidge:
    MASKS = random_subsets(9, 14, 0.5, 5)
    OUTPUTS = noisy(MASKS)

    def test_effect_is_what_prediction_loses(self) -> None:
        found = ridge_datamodels(self.MASKS, self.OUTPUTS)
        whole, without = np.ones((1, 9), bool), np.ones((1, 9), bool)
        without[0, [2, 5]] = False
        lost = (found.predict(whole) - found.predict(without))[0]
        assert np.allclose(found.effect(np.array([2, 5])), lost)
        assert np.allclose(found.effect(~without[0]), lost)

    def test_the_penalty_is_that_of_leaving_each_subset_out(self) -> None:
        flat, errors = self.OUTPUTS.reshape(14, -1), []
        for penalty in RIDGES:
            error = 0.0
            for k in range(14):
                rest = np.arange(14) != k
                fit = Ridge(alpha=penalty).fit(self.MASKS[rest].astype(float), flat[rest])
                error += np.square(fit.predict(self.MASKS[[k]].astype(float)) - flat[k]).sum()
            errors.append(error)
        assert choose_penalty(self.MASKS, self.OUTPUTS) == RIDGES[int(np.argmin(errors))]
        assert 0 < np.argmin(errors) < len(RIDGES) - 1

    @pytest.mark.parametrize("penalty", [0.1, 30.0])
    def test_weights_of_a_set_are_one_combination_of_the_models(self, penalty: float) -> None:
        removed = np.arange(9) < 4
        contrast = ridge_contrast(self.MASKS, removed, penalty)
        expected = ridge_datamodels(self.MASKS, self.OUTPUTS, penalty).effect(removed)
        assert np.allclose(np.tensordot(contrast, self.OUTPUTS, 1), expected)
        assert contrast.sum() == pytest.approx(0, abs=1e-12)


class TestLasso:
    MASKS = random_subsets(30, 25, 0.5, 6)

    def sparse(self) -> tuple[np.ndarray, np.ndarray]:
        weights = np.zeros((30, 1, 1))
        weights[[3, 17], 0, 0] = [4, -3]
        noise = 0.1 * np.random.default_rng(2).normal(size=(25, 1, 1))
        return weights, np.tensordot(self.MASKS, weights, 1) + noise

    def test_finds_the_few_samples_that_matter_from_fewer_models_than_samples(self) -> None:
        weights, outputs = self.sparse()
        lasso, ridge = (f(self.MASKS, outputs) for f in (lasso_datamodels, ridge_datamodels))
        assert set(np.abs(lasso.weights[:, 0, 0]).argsort()[-2:]) == {3, 17}
        errors = [np.square(f.weights - weights).sum() for f in (lasso, ridge)]
        assert errors[0] < 0.1 * errors[1]

    def test_is_at_the_minimum_of_its_objective(self) -> None:
        """No weight can move: |x_i'r| / K is the penalty where it is not 0, and less elsewhere."""
        _, outputs = self.sparse()
        found = lasso_datamodels(self.MASKS, outputs, 0.2)
        residuals = (outputs - found.predict(self.MASKS))[:, 0, 0]
        centred = self.MASKS - self.MASKS.mean(0)
        pull, w = centred.T @ residuals / 25, found.weights[:, 0, 0]
        penalty = 0.2 * np.abs(centred.T @ (outputs - outputs.mean(0))[:, 0, 0] / 25).max()
        assert np.allclose(pull[w != 0], penalty * np.sign(w[w != 0]), rtol=0.02)
        assert np.abs(pull).max() < 1.02 * penalty
        assert 0 < (w != 0).sum() < 25

    def test_the_whole_share_leaves_no_weight(self) -> None:
        _, outputs = self.sparse()
        found = lasso_datamodels(self.MASKS, outputs, 1.0)
        assert not found.weights.any()
        assert found.bias == pytest.approx(outputs.mean(0))

    def test_an_output_that_never_varies_owes_nothing_to_anyone(self) -> None:
        found = lasso_datamodels(self.MASKS, np.full((25, 1, 2), 3.0))
        assert not found.weights.any()
        assert (found.bias == 3).all()


def test_what_does_not_fit_is_refused() -> None:
    masks = random_subsets(6, 8, 0.5, 0)
    with pytest.raises(ClbenchError, match="8 masks and outputs of 7 models"):
        ridge_datamodels(masks, np.zeros((7, 1, 1)))
    with pytest.raises(ClbenchError, match="bool masks"):
        ridge_datamodels(masks.astype(float), np.zeros((8, 1, 1)))  # type: ignore[arg-type]
    with pytest.raises(ClbenchError, match="5 or more"):
        lasso_datamodels(masks[:4], np.zeros((4, 1, 1)))
    with pytest.raises(ClbenchError, match="not finite"):
        ridge_datamodels(masks, np.full((8, 1, 1), np.nan))
