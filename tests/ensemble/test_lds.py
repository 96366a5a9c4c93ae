"""The linear datamodelling score is Spearman's correlation over subsets, output by output."""

import numpy as np
import pytest
from scipy.stats import spearmanr

from clbench.ensemble.lds import linear_datamodelling_score
from clbench.errors import ClbenchError

RNG = np.random.default_rng(0)


def test_order_alone_counts() -> None:
    actual = RNG.normal(size=(20, 3, 2))
    assert linear_datamodelling_score(np.exp(actual), actual) == pytest.approx(1)
    assert linear_datamodelling_score(-actual, actual) == pytest.approx(-1)
    assert linear_datamodelling_score(actual, actual).shape == (3, 2)


def test_it_is_scipys_with_ties() -> None:
    one, two = RNG.integers(0, 4, (2, 15, 5)).astype(float)
    expected = [spearmanr(one[:, j], two[:, j]).statistic for j in range(5)]
    assert np.allclose(linear_datamodelling_score(one, two), expected)


def test_it_is_over_subsets_and_not_over_outputs() -> None:
    """Outputs differ more from each other than between subsets; pooled, any attribution is good."""
    level = 100 * np.arange(6.0)
    one, two = (level + RNG.normal(size=(50, 6)) for _ in range(2))
    assert spearmanr(one.ravel(), two.ravel()).statistic > 0.95  # the mistake
    assert abs(linear_datamodelling_score(one, two).mean()) < 0.3


def test_what_does_not_vary_has_no_score() -> None:
    actual = RNG.normal(size=(9, 2))
    predicted = actual.copy()
    predicted[:, 1] = 3
    score = linear_datamodelling_score(predicted, actual)
    assert score[0] == 1
    assert np.isnan(score[1])


def test_chance_scores_about_nothing() -> None:
    score = linear_datamodelling_score(*RNG.normal(size=(2, 100, 400)))
    assert abs(score.mean()) < 4 / np.sqrt(100 * 400)


def test_what_cannot_be_ranked_is_refused() -> None:
    with pytest.raises(ClbenchError, match="3 or more"):
        linear_datamodelling_score(np.zeros((2, 4)), np.zeros((2, 4)))
    with pytest.raises(ClbenchError, match="must be alike"):
        linear_datamodelling_score(np.zeros((5, 4)), np.zeros((5, 3)))
    with pytest.raises(ClbenchError, match="finite"):
        linear_datamodelling_score(np.full((5, 1), np.inf), np.zeros((5, 1)))
