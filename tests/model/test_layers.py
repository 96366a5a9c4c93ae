"""The last k layers of any network: found in the order of a pass, trained alone, started anew."""

import copy
from contextlib import suppress
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Network, Space, Training
from clbench.model.layers import check_last, last_alone, layers, renew_last

IMAGES = Space((3, 32, 32), torch.device("cpu"))


def network(backbone: str, shape: tuple[int, ...] = (3, 8, 8)) -> Network:
    torch.manual_seed(0)
    made = Network(backbone, Space(shape, torch.device("cpu")))
    made.grow(4)
    return made


def normalised() -> nn.Sequential:
    """Three linear layers, of which the first two are followed by BatchNorm."""
    torch.manual_seed(0)
    parts = [nn.Linear(6, 5), nn.BatchNorm1d(5), nn.ReLU(), nn.Linear(5, 5), nn.BatchNorm1d(5)]
    return nn.Sequential(*parts, nn.ReLU(), nn.Linear(5, 4))


def state(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def moved(before: dict[str, Tensor], model: nn.Module) -> set[str]:
    return {name for name, t in model.state_dict().items() if not torch.equal(t, before[name])}


def trained(model: nn.Module, k: int, **settings: Any) -> None:
    x, y = torch.randn(12, 6), torch.arange(12) % 4
    with last_alone(model, k):
        step = Training(**settings).start(model)
        for _ in range(3):
            step(cross_entropy(model(x), y))


@pytest.mark.parametrize(
    ("backbone", "count"), [("identity", 1), ("mlp,width=8,depth=2", 3), ("convnet,width=8", 4)]
)
def test_a_layer_is_a_weight_and_what_follows_it(backbone: str, count: int) -> None:
    found = layers(network(backbone))
    assert len(found) == count
    assert type(found[-1][-1]) is nn.Linear
    for layer in found:
        assert sum(isinstance(m, nn.Linear | nn.Conv2d) for m in layer) == 1


@pytest.mark.parametrize("backbone", ["resnet10t", "vit_tiny_patch16_224,img_size=32"])
def test_layers_of_timm_are_in_the_order_of_a_pass(backbone: str) -> None:
    made, passed = network(backbone, (3, 32, 32)).eval(), list[nn.Module]()
    weighing = [next(m for m in layer if _weighs(m)) for layer in layers(made)]
    for module in weighing:
        module.register_forward_hook(lambda module, *_: passed.append(module))
    made(torch.zeros(1, 3, 32, 32))
    assert passed == weighing
    assert weighing[-1] is made.head


def _weighs(module: nn.Module) -> bool:
    return isinstance(module, nn.Linear | nn.Conv2d)


def test_every_parameter_belongs_to_one_layer() -> None:
    made = network("vit_tiny_patch16_224,img_size=32", (3, 32, 32))
    found = [id(p) for layer in layers(made) for m in layer for p in m.parameters(recurse=False)]
    assert sorted(found) == sorted(id(p) for p in made.parameters())


@pytest.mark.parametrize(
    "settings",
    [
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        {"optimiser": "adamw", "lr": 0.1, "weight_decay": 0.1},
    ],
)
def test_frozen_layers_stay_to_the_last_bit_statistics_included(settings: dict[str, Any]) -> None:
    model = normalised()
    before = state(model)
    trained(model, 1, **settings)
    assert moved(before, model) == {"6.weight", "6.bias"}


def test_trained_layers_move_their_statistics() -> None:
    model = normalised()
    before = state(model)
    trained(model, 2, lr=0.1)
    names = {name for name in before if name[0] in "346"}
    assert moved(before, model) >= names - {"3.bias"}  # BatchNorm takes biases away
    assert moved(before, model) <= names


def test_modes_and_gradients_are_put_back_whatever_happens() -> None:
    model = normalised()
    model[0].weight.requires_grad_(False)
    model[4].eval()
    with suppress(ZeroDivisionError), last_alone(model, 1):
        assert [p.requires_grad for p in model.parameters()] == [False] * 8 + [True] * 2
        assert not model[1].training
        assert model[6].training
        raise ZeroDivisionError
    assert [p.requires_grad for p in model.parameters()] == [False] + [True] * 9
    assert [m.training for m in model] == [True] * 4 + [False] + [True] * 2


def test_renewed_layers_are_those_of_the_start_and_no_others() -> None:
    model = normalised()
    start = copy.deepcopy(model)
    trained(model, 3, lr=0.1)
    before = state(model)
    renew_last(model, start, 2)
    for name, tensor in model.state_dict().items():
        expected = start.state_dict() if name[0] in "3456" else before
        assert torch.equal(tensor, expected[name])


def test_more_layers_than_there_are_is_refused() -> None:
    check_last(network("mlp,width=8,depth=2"), 3, "cf_k")
    with pytest.raises(ClbenchError, match="cf_k has k=4, and its network 3 layers; choose 1 to 3"):
        check_last(network("mlp,width=8,depth=2"), 4, "cf_k")
