"""Salient weights by hand, and steps after which the others are what they were."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from clbench.augment import to_input
from clbench.method import Batch, Network, Space, Training
from clbench.model.masking import holding, most_salient


def linear(seed: int = 0) -> Network:
    torch.manual_seed(seed)
    made = Network("identity", Space((5,), torch.device("cpu")))
    made.grow(3)
    return made


def samples(n: int = 8) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(n, 5, generator=generator), torch.arange(n) % 3


def batches(size: int) -> list[Batch]:
    x, y = samples()
    ids = torch.arange(len(y))
    parts = zip(x.split(size), y.split(size), ids.split(size), strict=True)
    return [Batch(x, x, y, ids, True, to_input) for x, y, ids in parts]


def test_saliency_is_the_gradient_of_a_linear_model_by_hand() -> None:
    model = linear()
    x, y = samples()
    pull = model(x).softmax(1).detach() - one_hot(y, 3)  # [n, C]
    by_hand = {"head.weight": (pull.T @ x).abs(), "head.bias": pull.sum(0).abs()}
    bound = torch.cat([g.flatten() for g in by_hand.values()]).sort(descending=True).values[8]
    found = most_salient(model, batches(8), 0.5)  # 9 of 18
    for name, magnitude in by_hand.items():
        assert torch.equal(found[name], magnitude >= bound)


@pytest.mark.parametrize("share", [0.1, 0.5, 1.0])
def test_the_share_is_of_all_weights_together(share: float) -> None:
    found = most_salient(linear(), batches(8), share)
    assert sum(int(mask.sum()) for mask in found.values()) == int(share * 18)


def test_batches_do_not_matter_and_the_model_is_left_as_it_was() -> None:
    model = linear()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    whole, parts = (most_salient(model, batches(size), 0.5) for size in (8, 3))
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    assert all(torch.equal(before[name], p) for name, p in model.named_parameters())
    assert model.training
    assert all(p.grad is None for p in model.parameters())


SETTINGS = [
    {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
    {"optimiser": "adam", "lr": 0.1, "weight_decay": 0.1},
    {"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.1},
]


@pytest.mark.parametrize("settings", SETTINGS)
def test_held_weights_stay_to_the_last_bit(settings: dict[str, Any]) -> None:
    model = linear()
    x, y = samples()
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    free = most_salient(model, batches(8), 0.5)
    training = Training(**settings)
    warm = training.start(model)
    warm(cross_entropy(model(x), y))
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    step = holding(warm, model, free)  # momentum of every weight has been gathered by now
    for _ in range(4):
        step(cross_entropy(model(x), y))
    for name, p in model.named_parameters():
        assert torch.equal(p[~free[name]], start[name][~free[name]])
        assert not torch.any(p[free[name]] == start[name][free[name]])


def test_masked_gradients_alone_do_not_hold_under_decay() -> None:
    """What public code did: weights that were to stay shrink by lr x decay a step."""
    model = linear()
    x, y = samples()
    free = most_salient(model, batches(8), 0.5)
    start = {name: p.detach().clone() for name, p in model.named_parameters()}
    for name, p in model.named_parameters():
        p.register_hook(lambda g, name=name: g * free[name])
    step = Training(lr=0.1, weight_decay=0.1).start(model)
    step(cross_entropy(model(x), y))
    for name, p in model.named_parameters():
        torch.testing.assert_close(p[~free[name]], 0.99 * start[name][~free[name]])
