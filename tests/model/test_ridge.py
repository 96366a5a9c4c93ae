"""Ridge regression from sums is scikit-learn's; one eigendecomposition chooses as 17 solves do."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import Ridge
from torch import Tensor
from torch.nn.functional import one_hot

from clbench.model.ridge import RidgeSums, choose_ridge

CPU = torch.device("cpu")
RIDGES = [10.0**k for k in range(-8, 9)]


def samples(n: int, m: int, noise: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(n + m)
    y = torch.randint(0, 3, (n,), generator=generator)
    means = torch.randn(3, m, generator=generator, dtype=torch.float64)
    x = torch.randn(n, m, generator=generator, dtype=torch.float64)
    return (means[y] + noise * x).relu(), y


@pytest.mark.parametrize("size", [1, 13, 90])
def test_it_is_scikit_learns_in_any_order_and_any_split(size: int) -> None:
    x, y = samples(90, 20)
    order = torch.randperm(90, generator=torch.Generator().manual_seed(size))
    sums = RidgeSums(20, CPU)
    for some in order.split(size):
        anew = RidgeSums(20, CPU)
        anew.load_state_dict({k: v.clone() for k, v in sums.state_dict().items()})
        anew.grow(3)
        anew.add(x[some], y[some])
        sums = anew
    reference = Ridge(alpha=0.7, fit_intercept=False, solver="cholesky")
    reference.fit(x.numpy(), one_hot(y).numpy())
    assert np.allclose(sums.solve(0.7).T, reference.coef_, rtol=1e-9, atol=1e-11)


def test_half_of_the_gram_matrix_is_carried() -> None:
    sums = RidgeSums(50, CPU)
    assert sums.state_dict()["gram"].shape == (50 * 51 // 2,)


@pytest.mark.parametrize(("n", "m"), [(300, 12), (40, 120), (50, 40), (2, 3)])
@pytest.mark.parametrize("noise", [0.3, 3.0])
def test_the_choice_is_that_of_a_solve_for_each_ridge(n: int, m: int, noise: float) -> None:
    """More samples than dimensions, and fewer: where the kernel matrix is decomposed instead."""
    x, y = samples(n, m, noise)
    targets, cut = one_hot(y, 3).double(), n * 4 // 5
    errors = []
    for ridge in RIDGES[2:]:  # below, separate solves with a singular matrix are noise
        damped = x[:cut].T @ x[:cut] + ridge * torch.eye(m)
        head = torch.linalg.solve(damped, x[:cut].T @ targets[:cut])
        errors.append(float((x[cut:] @ head - targets[cut:]).square().mean()))
    assert choose_ridge(x, y, 3, RIDGES[2:]) == RIDGES[2:][int(np.argmin(errors))]


def test_the_last_fifth_is_held_out() -> None:
    """Held-out samples whose labels contradict the rest ask for a larger ridge."""
    x, y = samples(100, 10, 0.1)
    before = choose_ridge(x, y, 3, RIDGES)
    y[80:] = (y[80:] + 1) % 3
    assert choose_ridge(x, y, 3, RIDGES) >= 100 * before
