"""Distances of margins against SciPy, point by point, closed forms and properties."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import ks_2samp, norm, wasserstein_distance

from clbench.metric import NotMeasured
from clbench.metric.margin_distance import margin_kolmogorov_smirnov, margin_wasserstein

FEW = settings(max_examples=25, deadline=None)
BOTH = [margin_wasserstein, margin_kolmogorov_smirnov]
VALUES = st.integers(-20, 20).map(lambda k: k / 4)  # with many ties
SMALL, LARGE = (
    arrays(np.float64, (4, 3), elements=VALUES),
    arrays(np.float64, (6, 3), elements=VALUES),
)
QUANTILES = norm.ppf((np.arange(20_000) + 0.5) / 20_000)[:, None]


@FEW
@given(SMALL, LARGE)
def test_it_is_scipys_wasserstein_distance(first, second):
    expected = [wasserstein_distance(a, b) for a, b in zip(first.T, second.T, strict=True)]
    assert margin_wasserstein(first, second) == pytest.approx(expected)


@FEW
@given(SMALL, LARGE)
def test_it_is_scipys_two_sample_statistic(first, second):
    pairs = zip(first.T, second.T, strict=True)
    expected = [ks_2samp(a, b, method="asymp").statistic for a, b in pairs]
    assert margin_kolmogorov_smirnov(first, second) == pytest.approx(expected)


def test_points_in_many_blocks_are_those_in_one():
    first = np.random.default_rng(0).normal(size=(200, 2000)).astype(np.float32)
    second = np.random.default_rng(1).normal(size=(150, 2000))
    rows = slice(740, 760)
    for distance in BOTH:
        assert distance(first, second)[rows] == pytest.approx(
            distance(first[:, rows], second[:, rows])
        )


def test_gaussians_that_are_shifted_lie_as_far_apart_as_their_means():
    assert margin_wasserstein(QUANTILES + 1.5, QUANTILES) == pytest.approx(1.5)
    expected = 2 * norm.cdf(0.75) - 1
    assert margin_kolmogorov_smirnov(QUANTILES + 1.5, QUANTILES) == pytest.approx(
        expected, abs=1e-4
    )


def test_gaussians_that_are_stretched_lie_as_far_apart_as_their_mean_deviations():
    expected = (3 - 1) * np.sqrt(2 / np.pi)
    assert margin_wasserstein(3 * QUANTILES, QUANTILES) == pytest.approx(expected, rel=1e-3)


@FEW
@given(SMALL, LARGE, st.permutations(range(4)), st.permutations(range(3)))
def test_sides_and_orders_do_not_matter(first, second, models, points):
    for distance in BOTH:
        found = distance(first, second)
        assert distance(second, first) == pytest.approx(found)
        assert distance(first[models][:, points], second[:, points]) == pytest.approx(found[points])


@FEW
@given(SMALL)
def test_no_difference_is_0(table):
    for distance in BOTH:
        assert distance(table, table).tolist() == [0, 0, 0]


@FEW
@given(SMALL, SMALL, SMALL)
def test_a_detour_is_no_shorter(first, second, third):
    for distance in BOTH:
        detour = distance(first, second) + distance(second, third)
        assert (distance(first, third) <= detour + 1e-9).all()


def test_disjoint_margins_are_all_apart():
    apart = np.zeros((5, 1)), np.full((3, 1), 9.0)
    assert margin_wasserstein(*apart).tolist() == [9]
    assert margin_kolmogorov_smirnov(*apart).tolist() == [1]
    assert margin_wasserstein(np.full((2, 1), np.inf), -np.full((2, 1), np.inf)).tolist() == [200]


@pytest.mark.parametrize("distance", BOTH)
def test_without_models_nothing_is_measured(distance):
    with pytest.raises(NotMeasured):
        distance(np.zeros((0, 2)), np.zeros((3, 2)))
