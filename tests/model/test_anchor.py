"""The quadratic penalty against its definition, as terms come, change and parameters grow."""

import copy

import torch
from torch import Tensor
from torch.testing import assert_close

from clbench.model.importance import Parameters, QuadraticAnchor
from clbench.model.network import Network, Space


def network(classes: int) -> Network:
    torch.manual_seed(0)
    made = Network("mlp,width=8", Space((5,), torch.device("cpu")))
    made.grow(classes)
    return made


def random_importance(model: Network) -> Parameters:
    return {name: torch.rand_like(p) for name, p in model.named_parameters()}


def moved(model: Network) -> Network:
    other = copy.deepcopy(model)
    with torch.no_grad():
        for p in other.parameters():
            p += torch.randn_like(p)
    return other


def by_definition(anchor: QuadraticAnchor, model: Network) -> Tensor:
    total = torch.zeros(())
    for importance, where in anchor.terms:
        for name, p in model.named_parameters():
            old = p[: len(where[name])]
            total = total + (importance[name] * (old - where[name]).square()).sum()
    return total / 2


def test_without_terms_nothing_pulls() -> None:
    assert QuadraticAnchor().penalty(network(2)) == 0


def test_terms_add_up_and_new_rows_are_free() -> None:
    model, anchor = network(2), QuadraticAnchor()
    for classes in (2, 4, 5):
        model.grow(classes)
        model = moved(model)
        assert_close(anchor.penalty(model), by_definition(anchor, model))
        anchor.add(random_importance(model), model)
    model = moved(model)
    found, expected = anchor.penalty(model), by_definition(anchor, model)
    assert_close(found, expected)
    parameters = list(model.parameters())
    gradients = (torch.autograd.grad(loss, parameters) for loss in (found, expected))
    for one, two in zip(*gradients, strict=True):
        assert_close(one, two)


def test_what_is_changed_in_place_counts() -> None:
    model, anchor = network(3), QuadraticAnchor()
    anchor.add(random_importance(model), model)
    model = moved(model)
    before = anchor.penalty(model).item()
    for importance in anchor.terms[0][0].values():
        importance.mul_(2)
    assert_close(anchor.penalty(model).item(), 2 * before)
    anchor.load_state_dict(anchor.state_dict())
    assert_close(anchor.penalty(model).item(), 2 * before)
