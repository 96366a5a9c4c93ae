"""What ridge heads owe to their samples, against heads that are fitted anew without them."""

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from clbench.ensemble.lds import linear_datamodelling_score
from clbench.ensemble.ridge_head import RidgeHead
from clbench.errors import ClbenchError

RIDGE = 0.7
GENERATOR = torch.Generator().manual_seed(0)
FEATURES = torch.randn(40, 6, generator=GENERATOR).double()
TARGETS = one_hot(torch.randint(0, 3, (40,), generator=GENERATOR)).double()
QUERIES = torch.randn(5, 6, generator=GENERATOR).double()


def refitted(weight: Tensor) -> Tensor:
    """The head [d, C] fitted to samples with these weights [n], by the normal equations."""
    weighted = FEATURES * weight[:, None]
    return torch.linalg.solve(weighted.T @ FEATURES + RIDGE * torch.eye(6), weighted.T @ TARGETS)


def without(removed: list[int]) -> Tensor:
    weight = torch.ones(40).double()
    weight[removed] = 0
    return refitted(weight)


def head() -> RidgeHead:
    return RidgeHead(FEATURES, TARGETS, RIDGE)


def test_the_head_is_ridge_regression() -> None:
    assert torch.allclose(head().weights, without([]))


@pytest.mark.parametrize("removed", [[3], [0, 39], list(range(25)), list(range(40))])
def test_a_set_is_removed_exactly(removed: list[int]) -> None:
    """Also one that is larger than there are features, and all of it."""
    assert torch.allclose(head().without(torch.tensor(removed)), without(removed), atol=1e-10)


def test_removing_nothing_changes_nothing() -> None:
    assert torch.equal(head().without(torch.tensor([], dtype=torch.long)), head().weights)


def test_influences_are_exact_for_single_samples() -> None:
    found = head().influences(QUERIES)
    for i in range(40):
        assert torch.allclose(found[i], QUERIES @ (head().weights - without([i])), atol=1e-10)


def test_first_order_influences_are_derivatives_by_a_samples_weight() -> None:
    found, step = head().influences(QUERIES, left_out=False), 1e-6
    for i in (0, 7, 39):
        up, down = torch.ones(2, 40).double()
        up[i] += step
        down[i] -= step
        slope = QUERIES @ (refitted(up) - refitted(down)) / (2 * step)
        assert torch.allclose(found[i], slope, atol=1e-8)


@pytest.mark.parametrize(("size", "least"), [(2, 0.99), (10, 0.9)])
def test_sums_of_influences_rank_small_removals_as_retraining_does(size: int, least: float) -> None:
    rng = np.random.default_rng(0)
    sets = [torch.from_numpy(rng.choice(40, size, replace=False)) for _ in range(60)]
    found = head().influences(QUERIES)
    predicted = np.stack([-found[some].sum(0) for some in sets])
    actual = np.stack([QUERIES @ without(some.tolist()) for some in sets])
    assert linear_datamodelling_score(predicted, actual).mean() > least


def test_the_ridge_is_positive() -> None:
    with pytest.raises(ClbenchError, match="must be above 0"):
        RidgeHead(FEATURES, TARGETS, 0.0)
