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


Terms = list[tuple[Parameters, Parameters]]  # importance, anchor


def by_definition(terms: Terms, model: Network) -> Tensor:
    total = torch.zeros(())
    for importance, where in terms:
        for name, p in model.named_parameters():
            old = p[: len(where[name])]
            total = total + (importance[name] * (old - where[name]).square()).sum()
    return total / 2


def test_without_terms_nothing_pulls() -> None:
    assert QuadraticAnchor().penalty(network(2)) == 0


def test_penalties_add_up_to_one_and_a_constant_and_new_rows_are_free() -> None:
    model, anchor, terms = network(2), QuadraticAnchor(), Terms()
    for classes in (2, 4, 5):
        model.grow(classes)
        model = moved(model)
        importance = random_importance(model)
        terms.append((importance, {n: p.detach().clone() for n, p in model.named_parameters()}))
        anchor.add(importance, model)
    one, two = moved(model), moved(model)
    found = anchor.penalty(one) - anchor.penalty(two)
    assert_close(found, by_definition(terms, one) - by_definition(terms, two))
    parameters = list(one.parameters())
    losses = (anchor.penalty(one), by_definition(terms, one))
    gradients = (torch.autograd.grad(loss, parameters) for loss in losses)
    for a, b in zip(*gradients, strict=True):
        assert_close(a, b)


def test_what_does_not_matter_takes_the_anchor_along() -> None:
    model, anchor = network(2), QuadraticAnchor()
    for _ in range(2):
        model = moved(model)
        anchor.add({n: torch.zeros_like(p) for n, p in model.named_parameters()}, model)
    assert_close(anchor.anchor, {n: p.detach() for n, p in model.named_parameters()})
    assert anchor.penalty(moved(model)) == 0


def test_what_is_changed_in_place_counts() -> None:
    model, anchor = network(3), QuadraticAnchor()
    anchor.add(random_importance(model), model)
    model = moved(model)
    before = anchor.penalty(model).item()
    for importance in anchor.importance.values():
        importance.mul_(2)
    assert_close(anchor.penalty(model).item(), 2 * before)
    anchor.load_state_dict(anchor.state_dict())
    assert_close(anchor.penalty(model).item(), 2 * before)
