"""The inverse of a damped empirical Fisher against dense inverses and rank-1 updates."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.augment import to_input
from clbench.errors import ClbenchError
from clbench.method import Batch
from clbench.model import woodfisher
from clbench.model.woodfisher import gradient_rows, inverse_fisher_product, loss_gradient, shift


def network() -> tuple[Any, Tensor, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    model(torch.randn(50, 5).double())
    return model, torch.randn(23, 5).double(), torch.randint(0, 3, (23,))


def chunks(x: Tensor, y: Tensor, size: int = 7) -> Iterator[Batch]:
    for some, labels in zip(x.split(size), y.split(size), strict=True):
        yield Batch(some, some, labels, labels, True, to_input)


def one_by_one(model: Any, x: Tensor, y: Tensor) -> Tensor:
    """Gradients [n, P] of each sample's cross-entropy, by one backward pass each."""
    model.eval()
    rows = []
    for some, label in zip(x.split(1), y.split(1), strict=True):
        model.zero_grad()
        cross_entropy(model(some), label).backward()
        rows.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
    return torch.stack(rows)


def rank_one_updates(rows: Tensor, vector: Tensor, damping: float) -> Tensor:
    """WoodFisher as it is written: N Sherman-Morrison updates of the whole inverse."""
    inverse = torch.eye(rows.shape[1], dtype=rows.dtype) / damping
    for g in rows:
        column = inverse @ g
        inverse = inverse - torch.outer(column, column) / (len(rows) + g @ column)
    return inverse @ vector


def one_vector_for_all(rows: Tensor, vector: Tensor) -> Tensor:
    """What public unlearning code does: it keeps the vector of the first gradient alone."""
    k, o = vector.clone(), rows[0].clone()
    for g in rows[1:]:
        along = o @ g
        k = k - (k @ g) / (len(rows) + along) * o
        o = o - along / (len(rows) + along) * o
    return k


@pytest.mark.parametrize("damping", [1e-3, 1.0, 10.0])
@pytest.mark.parametrize("n", [1, 6, 40])
def test_it_is_the_dense_inverse_and_what_rank_one_updates_lead_to(n: int, damping: float) -> None:
    torch.manual_seed(n)
    rows, vector = torch.randn(n, 12).double(), torch.randn(12).double()
    dense = torch.linalg.inv(damping * torch.eye(12).double() + rows.T @ rows / n) @ vector
    found = inverse_fisher_product(rows, vector, damping)
    torch.testing.assert_close(found, dense)
    torch.testing.assert_close(found, rank_one_updates(rows, vector, damping))


def test_public_code_inverts_another_matrix() -> None:
    """Two orthogonal gradients, damping 1: the inverse is 1 / (1 + 1/2) along both."""
    rows, vector = torch.eye(2).double(), torch.ones(2).double()
    right, wrong = [2 / 3, 2 / 3], [1 / 2, 1]
    assert inverse_fisher_product(rows, vector, 1.0).tolist() == pytest.approx(right)
    assert one_vector_for_all(rows, vector).tolist() == pytest.approx(wrong)


def test_without_gradients_damping_is_all_there_is() -> None:
    found = inverse_fisher_product(torch.zeros(0, 3), torch.ones(3), 2.0)
    assert found.tolist() == [0.5, 0.5, 0.5]


def test_on_a_small_network_it_is_the_dense_solve() -> None:
    model, x, y = network()
    expected = one_by_one(model, x, y)
    rows = gradient_rows(model, chunks(x, y), len(y))
    torch.testing.assert_close(rows.abs(), expected.abs())  # of the likelihood: the sign is open
    vector = loss_gradient(model, chunks(x, y))
    dense = 0.1 * torch.eye(rows.shape[1]).double() + expected.T @ expected / len(y)
    found = inverse_fisher_product(rows, vector, 0.1)
    torch.testing.assert_close(found, torch.linalg.solve(dense, vector))


@pytest.mark.parametrize("size", [1, 7, 23])
def test_the_gradient_is_that_of_the_mean_loss_whatever_the_batches(size: int) -> None:
    model, x, y = network()
    expected = one_by_one(model, x, y).mean(0)
    model.train()
    found = loss_gradient(model, chunks(x, y, size))
    torch.testing.assert_close(found, expected.to(found))
    assert model.training


def test_a_shift_adds_in_the_order_of_the_parameters() -> None:
    model, _, _ = network()
    before = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    vector = torch.arange(len(before)).double()
    shift(model, vector)
    after = torch.nn.utils.parameters_to_vector(model.parameters()).detach()
    torch.testing.assert_close(after, before + vector)


def test_too_many_gradients_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x, y = network()
    width = sum(p.numel() for p in model.parameters())
    monkeypatch.setattr(woodfisher, "ROOM", 10 * 4 * width)
    with pytest.raises(ClbenchError, match=r"23 gradients of 47 parameters .*; use 10 samples"):
        gradient_rows(model, chunks(x, y), 23)
    assert gradient_rows(model, chunks(x[:10], y[:10]), 10).shape == (10, width)
