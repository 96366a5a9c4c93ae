import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import open_source
from clbench.spec import Spec


def opened(**options):
    return open_source(Spec("synthetic", options))


def test_it_has_the_sizes_asked_for():
    source = opened(classes=3, per_class=5, test_per_class=2, dim=7)
    assert source.train.x.shape == (15, 7)
    assert np.bincount(source.test.y).tolist() == [2, 2, 2]
    assert source.classes == ("0", "1", "2")


def test_the_same_seed_gives_the_same_samples():
    assert opened(seed=3).fingerprint == opened(seed=3).fingerprint
    assert opened(seed=3).fingerprint != opened(seed=4).fingerprint


def test_class_means_lie_the_separation_apart():
    source = opened(classes=20, per_class=200, dim=256, separation=8.0)
    means = np.stack([source.train.x[source.train.y == label].mean(0) for label in range(20)])
    distances = np.linalg.norm(means[:, None] - means, axis=2)[np.triu_indices(20, 1)]
    assert distances.mean() == pytest.approx(8.0, rel=0.05)


def test_within_a_class_the_noise_is_unit_normal():
    x = opened(classes=1, per_class=2000, dim=4, separation=50.0).train.x
    np.testing.assert_allclose(np.cov(x.T), np.eye(4), atol=0.12)


@pytest.mark.parametrize("option", ["classes", "per_class", "test_per_class", "dim"])
def test_a_size_that_is_not_positive_is_named(option: str):
    with pytest.raises(ClbenchError, match=f"{option} must be a whole number above 0; got 0"):
        opened(**{option: 0})


def test_a_seed_or_separation_that_is_no_number_is_named():
    with pytest.raises(ClbenchError, match="separation must be 0 or more; got wide"):
        opened(separation="wide")
    with pytest.raises(ClbenchError, match="seed must be a whole number, 0 or more; got -1"):
        opened(seed=-1)
