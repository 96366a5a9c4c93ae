"""JiT: what it minimises in closed form, what it reads, and that it does so."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor

from clbench.method import Method, Network, Space
from clbench_methods.jit import JiT
from forgetful import forgetting, forgotten, learnt, samples
from living import gaussians, same, weights

FEW = [0, 1, 2, 3, 4, 5]
SMALL = {"backbone": "mlp,width=8"}


def linear(copies: int, sigma: float) -> JiT:
    """A linear map of six inputs to four classes."""
    method = JiT(backbone="identity", copies=copies, sigma=sigma)
    torch.manual_seed(0)
    method.build(Space((6,), torch.device("cpu")))
    method.model.grow(4)
    return method


def by_hand(model: Network, x: Tensor, sigma: float, copies: int) -> float:
    """Sample by sample, copy by copy."""
    generator, total = Generator().manual_seed(7), 0.0
    for _ in range(copies):
        noise = sigma * torch.randn(x.shape, generator=generator)
        for some, each in zip(x, noise, strict=True):
            noisy = torch.minimum(torch.maximum(some + each, x.min()), x.max())
            change = model(noisy[None])[0] - model(some[None])[0]
            total += (change.norm() / (noisy - some).norm()).item() / copies
    return total


def test_it_is_the_rate_of_change_over_noise_that_stays_in_range() -> None:
    method, x = linear(copies=3, sigma=0.5), torch.randn(5, 6)
    found = method._roughness(x, Generator().manual_seed(7))
    assert found.item() == pytest.approx(by_hand(method.model, x, 0.5, 3), rel=1e-4)


def test_a_map_that_turns_and_scales_has_its_scale() -> None:
    """|3 Q n| / |n| is 3 whatever the noise, so it is 3 a sample."""
    method = linear(copies=2, sigma=0.1)
    q, _ = torch.linalg.qr(torch.randn(6, 6))
    method.model.grow(6)
    with torch.no_grad():
        method.model.head.weight.copy_(3 * q)
    found = method._roughness(torch.randn(4, 6), Generator().manual_seed(0))
    assert found.item() == pytest.approx(12.0, rel=1e-4)


def test_both_sides_get_a_gradient() -> None:
    """A bias cancels in the difference; the authors' code holds one side, and it gets a push."""
    method, x = linear(copies=1, sigma=0.5), torch.randn(5, 6)
    method._roughness(x, Generator().manual_seed(0)).backward()
    head = method.model.head
    assert head.bias.grad is not None
    assert head.bias.grad.abs().max().item() < 1e-6

    head.bias.grad = None
    noisy = x + 0.5 * torch.randn(5, 6)
    (method.model(x) - method.model(noisy).detach()).norm(dim=1).sum().backward()
    assert head.bias.grad.abs().max().item() > 0.1


def played(folder: Path, **given: Any) -> tuple[Method, Method, Any, Any]:
    run = forgetting(folder, JiT, gaussians(), FEW, **SMALL | given)
    original = learnt(run)
    found, view = forgotten(run, original)
    return original, found, run, view


def test_it_smooths_the_model_around_what_is_forgotten(tmp_path: Path) -> None:
    rate = {"lr": 0.05, "batch_size": 6, "epochs": 5}
    original, found, run, _ = played(tmp_path, unlearning=rate)
    x, _ = samples(run, forget=True)

    def roughness(method: Any) -> float:
        rate: Tensor = method._roughness(x, Generator().manual_seed(3))
        return rate.item()

    assert roughness(found) < 0.9 * roughness(original)


def test_it_reads_no_label_and_nothing_that_is_retained(tmp_path: Path) -> None:
    _, plain, _, view = played(tmp_path / "plain")
    rules = {"retained": None, "forget_labels": False}
    _, bare, _, _ = played(tmp_path / "bare", protocol=rules)
    assert view.read.nonzero().flatten().tolist() == FEW
    assert same(weights(plain), weights(bare))
