"""Relearning from curves by hand, and prototypes against scikit-learn."""

import numpy as np
import pytest
from sklearn.neighbors import NearestCentroid

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.relearning import (
    anamnesis_index,
    prototype_relearning,
    recovered_accuracy,
    recovered_share,
    relearn_time,
    relearn_time_of_loss,
)

CURVE = np.array([0.1, 0.5, 0.85, 0.8, 0.96])


class TestTime:
    def test_it_is_the_first_step_that_is_near_enough(self):
        assert relearn_time(CURVE, 0.9, alpha=0.1) == 2
        assert relearn_time(CURVE, 1.0) == 4
        assert relearn_time(CURVE, 0.1) == 0

    def test_less_demanding_is_no_later(self):
        times = [relearn_time(CURVE, 1.0, alpha) for alpha in (0.05, 0.1, 0.2, 0.6, 1)]
        assert times == sorted(times, reverse=True)

    def test_of_losses_it_is_the_first_that_is_no_larger(self):
        assert relearn_time_of_loss(np.array([3.0, 1.0, 0.5]), 1.0) == 1

    def test_what_was_not_reached_is_not_taken_for_the_limit(self):
        with pytest.raises(NotMeasured, match=r"0\.990 was not reached within 4 steps"):
            relearn_time(CURVE, 0.99, alpha=0)
        with pytest.raises(NotMeasured, match="within 1 steps"):
            relearn_time_of_loss(np.array([3.0, 2.0]), 1.0)

    def test_the_index_is_1_for_the_oracle_and_near_0_for_what_was_only_hidden(self):
        assert anamnesis_index(37, 37) == 1
        assert anamnesis_index(0, 0) == 1
        assert anamnesis_index(0, 50) == pytest.approx(0.01 / 50.01)
        assert anamnesis_index(100, 50) > 1.9
        with pytest.raises(ClbenchError, match="at least 0; got -1"):
            anamnesis_index(-1, 5)


class TestRecovery:
    def test_it_is_what_is_there_at_the_end(self):
        assert recovered_accuracy(CURVE) == 0.96

    def test_its_share_is_of_what_was_lost(self):
        assert recovered_share(np.array([0.2, 0.6]), 1.0) == pytest.approx(0.5)
        assert recovered_share(np.array([0.2, 0.2]), 1.0) == 0
        assert recovered_share(np.array([0.2, 1.0]), 0.6) == pytest.approx(2)

    def test_nothing_lost_or_nothing_relearnt_has_no_share(self):
        with pytest.raises(NotMeasured, match="lost no accuracy"):
            recovered_share(CURVE, 0.1)
        with pytest.raises(NotMeasured, match="no step"):
            recovered_accuracy(CURVE[:1])


class TestPrototypes:
    RNG = np.random.default_rng(0)
    CENTRES = 4 * RNG.normal(size=(5, 8))
    Y = RNG.integers(0, 5, 60)
    X = CENTRES[Y] + RNG.normal(size=(60, 8))

    def test_it_is_scikit_learns_nearest_centroid(self):
        x, y = self.X + 2 * np.random.default_rng(1).normal(size=(60, 8)), self.Y
        expected = NearestCentroid().fit(x[:30], y[:30]).score(x[30:], y[30:])
        assert prototype_relearning(x[:30], y[:30], x[30:], y[30:]) == pytest.approx(expected)

    def test_features_that_were_kept_give_the_forgotten_class_back(self):
        known = (self.Y != 2) | (self.Y.cumsum() < 20)
        queries = (self.Y == 2) & ~known
        kept = self.X[known], self.Y[known], self.X[queries], self.Y[queries]
        assert prototype_relearning(*kept) > 0.9
        collapsed = np.where((self.Y == 2)[:, None], self.CENTRES[0], self.X)
        gone = collapsed[known], self.Y[known], collapsed[queries], self.Y[queries]
        assert prototype_relearning(gone[0], np.where(gone[1] == 2, 0, gone[1]), *gone[2:]) == 0

    def test_the_order_of_samples_does_not_matter(self):
        order = np.random.default_rng(2).permutation(30)
        known, queries = (self.X[:30], self.Y[:30]), (self.X[30:], self.Y[30:])
        turned = self.X[:30][order], self.Y[:30][order]
        assert prototype_relearning(*known, *queries) == prototype_relearning(*turned, *queries)

    def test_what_does_not_match_is_told(self):
        with pytest.raises(ClbenchError, match=r"\(60, 8\) and \(59,\)"):
            prototype_relearning(self.X, self.Y[:59], self.X, self.Y)
        with pytest.raises(ClbenchError, match=r"\(60, 7\)"):
            prototype_relearning(self.X, self.Y, self.X[:, :7], self.Y)
        with pytest.raises(NotMeasured, match="60 embedded samples, 0 queries"):
            prototype_relearning(self.X, self.Y, self.X[:0], self.Y[:0])
