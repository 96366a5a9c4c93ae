"""MAS: importances against autograd sample by sample; without strength it is finetuning."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.augment import to_input
from clbench.errors import ClbenchError
from clbench.method import Batch, Method
from clbench.model.importance import Parameters, output_sensitivity
from clbench.play import Run
from clbench.seeds import derive
from clbench_methods.finetune import Finetune
from clbench_methods.mas import MAS
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Method], epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def sample_by_sample(model: nn.Module, x: Tensor) -> Parameters:
    """Mean over samples of |d ||f(x)||^2 / d theta|, by one backward pass each."""
    model.eval()
    found = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for one in x.split(1):
        model.zero_grad()
        model(one).square().sum().backward()
        for name, p in model.named_parameters():
            assert p.grad is not None
            found[name] += p.grad.abs() / len(x)
    return found


def network() -> tuple[nn.Module, Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.BatchNorm1d(4), nn.Tanh(), nn.Linear(4, 3)).double()
    model(torch.randn(50, 5).double())
    return model, torch.randn(23, 5).double()


def chunks(x: Tensor, size: int) -> Iterator[Batch]:
    for some in x.split(size):
        y = torch.zeros(len(some)).long()
        yield Batch(some, some, y, y, True, to_input)


@pytest.mark.parametrize("size", [1, 4, 23])
def test_importance_is_that_of_one_sample_at_a_time(size: int) -> None:
    """Public code takes the gradient of a batch's mean, in which samples cancel."""
    model, x = network()
    expected = sample_by_sample(model, x)
    found = output_sensitivity(model, chunks(x, size))  # type: ignore[arg-type]
    assert_close(found, expected)


def test_labels_do_not_matter() -> None:
    model, x = network()
    other = Batch(x, x, torch.arange(23) % 3, torch.arange(23), True, to_input)
    one = output_sensitivity(model, chunks(x, 23))  # type: ignore[arg-type]
    assert_close(output_sensitivity(model, [other]), one)  # type: ignore[arg-type]


def test_a_linear_map_in_closed_form() -> None:
    """The gradient of |W x|^2 is 2 W x x'."""
    torch.manual_seed(0)
    model, x = nn.Linear(5, 3, bias=False).double(), torch.randn(9, 5).double()
    expected = 2 * torch.einsum("bc,bd->bcd", model(x), x).abs().mean(0).detach()
    found = output_sensitivity(model, chunks(x, 9))  # type: ignore[arg-type]
    torch.testing.assert_close(found["weight"], expected)


def test_a_diverged_network_is_said_so() -> None:
    model, x = network()
    with torch.no_grad():
        model[3].bias[1] = float("inf")
    with pytest.raises(ClbenchError, match=r"training diverged: .*; lower the learning rate"):
        output_sensitivity(model, chunks(x, 23))  # type: ignore[arg-type]


def test_without_strength_it_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    one, two = runs(tmp_path, MAS, strength=0), runs(tmp_path, Finetune)
    for method, plain in zip(versions(one), versions(two), strict=True):
        assert same(weights(method), weights(plain))


def test_importances_add_up_over_updates(tmp_path: Path) -> None:
    run = runs(tmp_path, MAS)
    total: Parameters = {}
    for version, method in enumerate(versions(run), start=1):
        new = sample_by_sample(method.model, data(run, version)[0])
        for name, old in total.items():
            new[name][: len(old)] += old
        total = new
        importance, anchor = method.anchor.importance, method.anchor.anchor
        assert_close(importance, total, rtol=1e-4, atol=1e-6)
        assert_close(anchor, weights(method), rtol=0, atol=0)


def test_a_step_follows_the_penalised_loss(tmp_path: Path) -> None:
    """Two steps on all data: the penalty is flat at the first and pulls at the second."""
    given = {"training": {"batch_size": 40, "lr": 0.01}, "strength": 0.5}
    run = runs(tmp_path, MAS, epochs=2, **given)
    first, second = versions(run)
    importance, anchor = first.anchor.importance, first.anchor.anchor
    model, (x, y) = first.model, data(run, 2)
    torch.manual_seed(derive(0, "update", 2))  # which draws the new rows of the head
    model.grow(4)
    for _ in range(2):
        model.zero_grad()
        cross_entropy(model(x), y).backward()
        for name, p in model.named_parameters():
            assert p.grad is not None
            old, f = p.detach()[: len(anchor[name])], importance[name]
            p.grad[: len(f)] += 2 * 0.5 * f * (old - anchor[name])
            p.data -= 0.01 * p.grad
    expected = {name: p.detach() for name, p in model.named_parameters()}
    assert_close(weights(second), expected, rtol=1e-4, atol=1e-6)
