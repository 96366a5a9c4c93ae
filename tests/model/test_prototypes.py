"""Sums for closed-form heads: exact whatever the order of data, agreeing with scikit-learn."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from torch import Tensor

from clbench.model.gaussians import JITTER, ClassGaussians
from clbench.model.prototypes import ClassMeans, PooledScatter, discriminant

CPU = torch.device("cpu")


def samples(n: int = 200, d: int = 5, offset: float = 0.0) -> tuple[Tensor, Tensor]:
    """Correlated features of three unbalanced classes, far from the origin by `offset`."""
    generator = torch.Generator().manual_seed(0)
    y = torch.randint(0, 4, (n,), generator=generator).clamp(max=2)
    noise = torch.randn(n, d, generator=generator, dtype=torch.float64)
    mix = torch.randn(d, d, generator=generator, dtype=torch.float64)
    means = torch.randn(3, d, generator=generator, dtype=torch.float64)
    return noise @ mix + means[y] + offset, y


def gathered(kind: Any, x: Tensor, y: Tensor, size: int) -> Any:
    """Sums over batches of a size, made anew from their state in between."""
    found = kind(x.shape[1], CPU)
    for some, labels in zip(x.split(size), y.split(size), strict=True):
        anew = kind(x.shape[1], CPU)
        anew.load_state_dict(found.state_dict())
        (anew.classes if kind is PooledScatter else anew).grow(3)
        anew.add(some, labels)
        found = anew
    return found


def within(x: Tensor, y: Tensor) -> np.ndarray:
    """The within-class covariance, as one would write it."""
    centred = np.concatenate([x[y == c].numpy() - x[y == c].numpy().mean(0) for c in range(3)])
    return centred.T @ centred / len(x)


@pytest.mark.parametrize("size", [1, 7, 200])
@pytest.mark.parametrize("order", [1, -1])
def test_means_and_scatter_do_not_depend_on_batches_or_order(size: int, order: int) -> None:
    x, y = samples()
    turned = torch.arange(len(x)) if order == 1 else torch.arange(len(x)).flip(0)
    found = gathered(PooledScatter, x[turned], y[turned], size)
    expected = np.stack([x[y == c].numpy().mean(0) for c in range(3)])
    assert np.allclose(found.classes.means, expected, rtol=1e-12, atol=1e-13)
    assert np.allclose(found.covariance(), within(x, y), rtol=1e-11, atol=1e-12)
    assert torch.equal(found.classes.priors, y.bincount().double() / len(y))


def test_a_large_mean_costs_few_digits() -> None:
    """The difference of raw second moments would leave four digits here."""
    x, y = samples(offset=1e6)
    found = gathered(PooledScatter, x, y, 50).covariance()
    assert np.allclose(found, within(x, y), rtol=1e-7, atol=1e-8)


def test_a_class_without_samples_has_the_mean_0_and_no_share() -> None:
    found = ClassMeans(2, CPU)
    found.grow(3)
    found.add(torch.ones(4, 2), torch.tensor([0, 0, 2, 2]))
    found.grow(2)  # never shrinks
    assert found.means.tolist() == [[1, 1], [0, 0], [1, 1]]
    assert found.priors.tolist() == [0.5, 0, 0.5]
    assert found.cosines(torch.ones(1, 2))[0].tolist() == pytest.approx([1, 0, 1])


class Given:
    """A covariance estimator that has made up its mind."""

    def __init__(self, covariance: Tensor) -> None:
        self.covariance_ = covariance.numpy()

    def fit(self, X: Any) -> None: ...


@pytest.mark.parametrize("priors", [None, [0.2, 0.3, 0.5]])
def test_the_discriminant_is_that_of_scikit_learn(priors: list[float] | None) -> None:
    x, y = samples()
    found = gathered(PooledScatter, x, y, 30)
    covariance = found.covariance() + 0.3 * torch.eye(5)
    weight, bias = discriminant(found.classes.means, covariance)
    bias = bias + (torch.tensor(priors) if priors else found.classes.priors).log()
    reference = LinearDiscriminantAnalysis(
        solver="lsqr", covariance_estimator=Given(covariance), priors=priors
    ).fit(x, y)
    expected = reference.decision_function(x)
    found_logits = (x @ weight + bias).numpy()
    assert np.allclose(found_logits, expected, rtol=1e-5 if priors else 1e-9, atol=1e-6)


class TestGaussians:
    def test_they_have_the_moments_of_the_features(self) -> None:
        x, y = samples()
        known = ClassGaussians(5, CPU)
        known.fit(x.float(), y, 3)
        for c in range(3):
            own = x[y == c].float().double().numpy()
            assert np.allclose(known.means[c], own.mean(0), atol=1e-6)
            covariance = np.cov(own.T) + JITTER * np.eye(5)
            assert np.allclose(known.factors[c] @ known.factors[c].T, covariance, rtol=1e-4)

    def test_draws_have_those_moments_too(self) -> None:
        x, y = samples()
        known = ClassGaussians(5, CPU)
        known.fit(x.float(), y, 3)
        drawn, labels = known.sample(20_000, torch.Generator().manual_seed(0))
        assert labels.bincount().tolist() == [20_000] * 3
        for c in range(3):
            own, expected = drawn[labels == c], known.factors[c] @ known.factors[c].T
            spread = expected.diagonal().max()
            assert torch.allclose(own.mean(0), known.means[c], atol=0.03 * float(spread.sqrt()))
            assert torch.allclose(own.T.cov(), expected, atol=0.05 * float(spread))

    def test_a_class_of_one_sample_is_a_point_nearly(self) -> None:
        known = ClassGaussians(3, CPU)
        known.fit(torch.ones(1, 3), torch.tensor([1]), 2)
        drawn, labels = known.sample(10, torch.Generator().manual_seed(0))
        assert labels.tolist() == [1] * 10  # class 0 has not been seen: nothing is drawn
        assert torch.allclose(drawn, torch.ones(10, 3), atol=5 * JITTER**0.5)

    def test_a_class_that_comes_back_is_described_anew(self) -> None:
        x, y = samples()
        twice, once = ClassGaussians(5, CPU), ClassGaussians(5, CPU)
        twice.fit(x.float() + 3, y, 3)
        twice.fit(x.float(), y, 3)
        once.fit(x.float(), y, 3)
        assert torch.equal(twice.means, once.means)
        assert torch.equal(twice.factors, once.factors)
