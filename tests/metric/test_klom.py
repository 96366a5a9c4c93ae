"""KLoM against a loop point by point, closed forms, measured null floors and published mistakes."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import entropy, norm

from clbench.metric import NotMeasured
from clbench.metric.klom import (
    FLOOR,
    bin_counts,
    klom,
    klom_reverse,
    margin_jensen_shannon,
    over_points,
)

FEW = settings(max_examples=25, deadline=None)
CAP = np.log(1 / FLOOR)
DISTANCES = [klom, klom_reverse, margin_jensen_shannon]
TABLES = arrays(np.float64, (6, 3), elements=st.integers(-40, 40).map(lambda k: k / 4))

NULL_FLOORS = [  # models a side, mean and 95th percentile over points
    (5, 7.93, 10.18),
    (10, 5.65, 8.36),
    (20, 3.06, 4.96),
    (50, 0.90, 1.71),
    (80, 0.47, 0.89),
    (100, 0.355, 0.683),
    (200, 0.150, 0.287),
    (500, 0.052, 0.096),
    (1000, 0.024, 0.042),
]


def normals(models: int, points: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(models, points))


def loop(first: np.ndarray, second: np.ndarray) -> list[float]:
    """The definition, one point at a time, with numpy's own histogram."""
    values = []
    for a, b in zip(first.T, second.T, strict=True):
        edges = np.linspace(min(a.min(), b.min()), max(a.max(), b.max()), 21)
        p, q = (np.histogram(side, edges)[0] / len(side) for side in (a, b))
        q = np.maximum(q, 1e-5)
        values.append(float((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum()))
    return values


def all_counts(first: np.ndarray, second: np.ndarray, bins: int = 20) -> list[np.ndarray]:
    return [np.concatenate(side) for side in zip(*bin_counts(first, second, bins), strict=True)]


class TestDefinition:
    def test_it_is_the_loop_over_points(self):
        first, second = normals(60, 50) + 0.5, 2 * normals(80, 50, 1)
        assert klom(first, second) == pytest.approx(loop(first, second))
        assert klom_reverse(first, second) == pytest.approx(loop(second, first))

    def test_it_is_scipys_entropy_where_nothing_needs_a_floor(self):
        first, second = normals(20_000, 2), normals(20_000, 2, 1)
        p, q = all_counts(first, second, bins=5)
        assert klom(first, second, bins=5) == pytest.approx(entropy(p, q, axis=1), rel=1e-3)

    def test_points_in_many_blocks_are_those_in_one(self):
        first, second = normals(100, 4000).astype(np.float32), normals(100, 4000, 1)
        rows = slice(2990, 3010)
        assert np.array_equal(klom(first, second)[rows], klom(first[:, rows], second[:, rows]))

    def test_every_model_is_counted_the_largest_margin_in_the_last_bin(self):
        p, q = all_counts(normals(7, 30), normals(9, 30, 1))
        assert (p.sum(axis=1) == 7).all()
        assert (q.sum(axis=1) == 9).all()
        assert (p[:, -1] + q[:, -1] >= 1).all()

    def test_margins_beyond_100_are_as_good_as_100(self):
        far, near = np.full((30, 1), 500.0), normals(30, 1)
        assert klom(far, near) == klom(np.full((30, 1), 100.0), near)


class TestClosedForms:
    """Margins at the quantiles of Gaussians: what is left is the error of 20 bins."""

    QUANTILES = norm.ppf((np.arange(200_000) + 0.5) / 200_000)[:, None]

    @pytest.mark.parametrize("shift", [0.5, 1.0, 2.0])
    def test_a_shift_comes_out_at_half_its_square(self, shift):
        found = klom(self.QUANTILES + shift, self.QUANTILES)
        assert found == pytest.approx(shift**2 / 2, rel=0.04)
        assert klom_reverse(self.QUANTILES + shift, self.QUANTILES) == pytest.approx(found, rel=0.1)

    @pytest.mark.parametrize(("shift", "spread"), [(0, 2), (1, 1), (0.5, 3)])
    def test_it_is_the_divergence_of_the_gaussians_bins(self, shift, spread):
        first, second = shift + spread * self.QUANTILES, self.QUANTILES
        edges = np.linspace(min(first[0, 0], second[0, 0]), first[-1, 0], 21)[1:-1]
        masses = ([0, *norm.cdf(edges, *of), 1] for of in ((shift, spread), (0, 1)))
        p, q = (np.maximum(np.diff(each), 1e-300) for each in masses)
        expected = (p * np.log(p / np.maximum(q, 1e-5))).sum()
        assert klom(first, second) == pytest.approx(expected, rel=2e-3)
        expected = (q * np.log(q / np.maximum(p, 1e-5))).sum()
        assert klom_reverse(first, second) == pytest.approx(expected, rel=2e-3)

    def test_directions_differ_where_spreads_do(self):
        wide = klom(2 * self.QUANTILES, self.QUANTILES)
        narrow = klom_reverse(2 * self.QUANTILES, self.QUANTILES)
        assert narrow == pytest.approx(np.log(2) + 1 / 8 - 1 / 2, rel=0.07)
        # beyond 4 sd no oracle is seen and the floor stands in for their tail
        assert wide == pytest.approx(4 / 2 - 1 / 2 - np.log(2), rel=0.2)

    def test_two_bins_by_hand(self):
        first, second = np.array([[0.0]] * 3 + [[1.0]]), np.array([[0.0], [1.0]])
        by_hand = 0.75 * np.log(0.75 / 0.5) + 0.25 * np.log(0.25 / 0.5)
        assert klom(first, second) == pytest.approx(by_hand)
        middle = [0.625, 0.375]
        both = entropy([0.75, 0.25], middle) + entropy([0.5, 0.5], middle)
        assert margin_jensen_shannon(first, second) == pytest.approx(both / 2)


class TestNull:
    """Values where nothing differs, and where a known amount does, as measured elsewhere."""

    @pytest.mark.parametrize(
        ("models", "mean", "p95"),
        NULL_FLOORS,
    )
    def test_same_distributions(self, models, mean, p95):
        found = over_points(klom(normals(models, 1500), normals(models, 1500, 1)))
        assert found.mean == pytest.approx(mean, rel=0.06)
        assert found.p95 == pytest.approx(p95, rel=0.06)
        assert found.p99 > found.p95

    @pytest.mark.parametrize(
        ("shift", "mean"), [(0.25, 0.41), (0.5, 0.57), (1, 1.21), (2, 3.62), (4, 8.57)]
    )
    def test_a_shift_at_100_models(self, shift, mean):
        found = klom(normals(100, 1500) + shift, normals(100, 1500, 1)).mean()
        assert found == pytest.approx(mean, rel=0.04)

    @pytest.mark.parametrize(("spread", "against", "of"), [(0.1, 1.67, 5.98), (3, 2.91, 0.74)])
    def test_a_spread_at_100_models(self, spread, against, of):
        unlearned, oracles = spread * normals(100, 1500), normals(100, 1500, 1)
        assert klom(unlearned, oracles).mean() == pytest.approx(against, rel=0.03)
        assert klom_reverse(unlearned, oracles).mean() == pytest.approx(of, rel=0.03)

    def test_an_independent_second_set_of_oracles_is_far_from_0(self):
        # a public plot draws the oracle at "0 by definition"
        found = over_points(klom(normals(100, 1500), normals(100, 1500, 1))).p95
        assert 0.6 < found < 0.75


class TestPublishedMistakes:
    def test_the_largest_margin_is_not_dropped(self):
        unlearned, oracles = np.array([[0.0]] * 9 + [[1.0]]), np.zeros((10, 1))
        edges = np.linspace(0, 1, 21)
        p = np.bincount(np.digitize(unlearned[:, 0], edges), minlength=22)[1:21]
        assert p.sum() == 9  # what digitize and bins 1 .. 20 leave
        assert entropy(p, [10] + 19 * [0]) == 0
        right = 0.9 * np.log(0.9) + 0.1 * np.log(0.1 / 1e-5)
        assert klom(unlearned, oracles) == pytest.approx(right)
        assert right > 0.8

    def test_bins_are_the_same_for_both_sides(self):
        oracles = normals(100, 20)
        unlearned = oracles + 5  # bins over each side's own range would be alike: 0
        assert klom(unlearned, oracles).min() > 8

    def test_bins_follow_the_margins(self):
        oracles, unlearned = normals(100, 200) + 5, normals(100, 200, 1) + 6
        fixed = np.linspace(-100, 100, 21)
        blind = [np.ptp(np.digitize(each, fixed)) for each in (oracles.T)[:50]]
        assert np.median(blind) == 0  # all in one bin 10 wide
        assert klom(unlearned, oracles).mean() > 1


class TestProperties:
    @FEW
    @given(TABLES)
    def test_no_difference_is_0(self, table):
        for distance in DISTANCES:
            assert distance(table, table) == pytest.approx(0)

    @FEW
    @given(TABLES, TABLES)
    def test_it_has_bounds(self, first, second):
        for distance, top in zip(DISTANCES, (CAP, CAP, np.log(2)), strict=True):
            found = distance(first, second)
            assert ((found >= 0) & (found <= top + 1e-9)).all()

    @FEW
    @given(TABLES, TABLES, st.permutations(range(6)), st.permutations(range(3)))
    def test_neither_the_order_of_models_nor_of_points_matters(self, first, second, models, points):
        for distance in DISTANCES:
            found = distance(first[models][:, points], second[:, points])
            assert found == pytest.approx(distance(first, second)[points])

    @FEW
    @given(TABLES, TABLES)
    def test_directions_are_each_other_turned_round(self, first, second):
        assert np.array_equal(klom(first, second), klom_reverse(second, first))
        turned = margin_jensen_shannon(second, first)
        assert margin_jensen_shannon(first, second) == pytest.approx(turned)

    @pytest.mark.parametrize("distance", DISTANCES)
    def test_it_rises_with_a_shift(self, distance):
        oracles, unlearned = normals(100, 300), normals(100, 300, 1)
        means = [distance(unlearned + shift, oracles).mean() for shift in (0, 0.5, 1, 2, 4)]
        assert all(a < b for a, b in pairwise(means))

    def test_disjoint_margins_reach_the_upper_end(self):
        apart = np.zeros((5, 1)), np.full((5, 1), 9.0)
        assert klom(*apart) == pytest.approx(CAP)
        assert klom_reverse(*apart) == pytest.approx(CAP)
        assert margin_jensen_shannon(*apart) == pytest.approx(np.log(2))


def test_a_single_value_everywhere_is_no_difference():
    same = np.full((4, 2), 3.0)
    assert klom(same, same).tolist() == [0, 0]


def test_what_has_no_value_says_why():
    with pytest.raises(NotMeasured, match="no points"):
        over_points(np.zeros(0))
    with pytest.raises(NotMeasured, match="diverged"):
        klom(np.full((3, 1), np.nan), np.zeros((3, 1)))
    with pytest.raises(NotMeasured, match="0 models"):
        klom(np.zeros((0, 1)), np.zeros((3, 1)))
