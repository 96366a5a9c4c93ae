import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from scipy import stats
from scipy.special import ndtri

from clbench.errors import ClbenchError
from clbench.statistics import (
    holm,
    mcnemar,
    mean_interval,
    paired_t,
    two_way_bootstrap,
    wilson,
)

samples = st.lists(st.floats(-5, 5), min_size=2, max_size=10)


@given(samples)
def test_the_interval_of_a_mean_is_students(values):
    assume(np.ptp(values) > 1e-6)
    expected = stats.t.interval(0.95, len(values) - 1, np.mean(values), stats.sem(values))
    assert mean_interval(values) == pytest.approx(tuple(expected))


@given(samples)
def test_the_test_of_differences_is_students(values):
    assume(np.ptp(values) > 1e-6)
    assert paired_t(values) == pytest.approx(stats.ttest_1samp(values, 0).pvalue)


def test_differences_without_noise_are_certain():
    assert paired_t([0.1] * 3) == 0
    assert paired_t([0.0] * 3) == 1
    low, high = mean_interval([0.1] * 3)
    assert low == high == pytest.approx(0.1)


@pytest.mark.parametrize("function", [mean_interval, paired_t])
def test_one_seed_says_nothing_of_the_spread(function):
    with pytest.raises(ClbenchError, match="at least 2 values; got 1"):
        function([0.5])


def test_holm_steps_down():
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1
    assert holm([0.04, 0.01, 0.02]) == pytest.approx([0.04, 0.03, 0.04])
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_keeps_the_order_and_only_ever_raises(p_values):
    adjusted = holm(p_values)
    assert all(p <= a <= 1 for p, a in zip(p_values, adjusted, strict=True))
    by_p = [adjusted[i] for i in np.argsort(p_values, kind="stable")]
    assert by_p == sorted(by_p)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_agrees_with_scipy(pair):
    count, n = pair
    expected = stats.binomtest(count, n).proportion_ci(method="wilson")
    assert wilson(count, n) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(st.integers(0, 40), st.integers(0, 40))
def test_mcnemar_is_exact_below_25_and_chi_square_above(lost, gained):
    n = lost + gained
    assume(n > 0)
    exact = stats.binomtest(lost, n).pvalue
    normal = stats.chi2.sf((lost - gained) ** 2 / n, df=1)
    assert mcnemar(lost, gained) == pytest.approx(exact if n < 25 else normal)


def test_the_bootstrap_is_the_same_every_time():
    differences = np.random.default_rng(0).integers(-1, 2, size=(5, 200))
    assert two_way_bootstrap(differences) == two_way_bootstrap(differences)


def test_the_bootstrap_of_one_seed_is_that_of_its_samples():
    differences = np.repeat([-1, 0, 1], [30, 600, 70])[None]
    low, high = two_way_bootstrap(differences)
    half = ndtri(0.975) * differences.std() / np.sqrt(700)
    assert (low, high) == pytest.approx((40 / 700 - half, 40 / 700 + half), abs=0.002)


def test_more_seeds_with_the_same_answers_are_not_more_samples():
    one = np.repeat([-1, 0, 1], [30, 600, 70])[None]
    low, high = two_way_bootstrap(np.repeat(one, 10, axis=0))
    assert (low, high) == pytest.approx(two_way_bootstrap(one), abs=0.002)


def test_the_bootstrap_agrees_with_drawing_rows_and_columns_one_by_one():
    rng = np.random.default_rng(1)
    differences = rng.integers(-1, 2, size=(4, 60))
    means = [
        differences[rng.integers(0, 4, 4)][:, rng.integers(0, 60, 60)].mean() for _ in range(4000)
    ]
    expected = np.quantile(means, [0.025, 0.975])
    assert two_way_bootstrap(differences) == pytest.approx(tuple(expected), abs=0.02)


def test_the_bootstrap_does_not_care_about_the_order_of_samples():
    differences = np.random.default_rng(2).integers(-1, 2, size=(3, 50))
    assert two_way_bootstrap(differences[:, ::-1]) == two_way_bootstrap(differences)
