"""The Fisher diagonal against loops over samples and closed forms; the penalty against loops."""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clbench import state
from clbench.augment import to_input
from clbench.errors import ClbenchError
from clbench.method import Batch, Network, Space
from clbench.model import importance
from clbench.model.importance import QuadraticAnchor, fisher_diagonal

Parameters = dict[str, Tensor]


def vectors() -> tuple[nn.Module, Tensor, Tensor]:
    """A small network of two layers, 23 samples, 3 classes, in double precision."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Tanh(), nn.Linear(4, 3)).double()
    return model, torch.randn(23, 5).double(), torch.randint(0, 3, (23,))


def images() -> tuple[nn.Module, Tensor, Tensor]:
    """Convolution and BatchNorm with statistics of its own, left in train mode."""
    torch.manual_seed(1)
    model = nn.Sequential(
        nn.Conv2d(2, 3, 3, padding=1),
        nn.BatchNorm2d(3),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(3, 4),
    ).double()
    for _ in range(5):
        model(3 * torch.randn(8, 2, 6, 6).double() + 1)
    return model, torch.randn(11, 2, 6, 6).double(), torch.randint(0, 4, (11,))


def chunks(x: Tensor, y: Tensor, size: int = 1000) -> Iterator[Batch]:
    for some_x, some_y in zip(x.split(size), y.split(size), strict=True):
        yield Batch(some_x, some_x, some_y, some_y, True, to_input)


def brute_force(model: nn.Module, x: Tensor, weights: Tensor) -> Parameters:
    """Mean over samples of sum_c weights[n, c] (d log p(c | x_n))^2, a sample and class a time."""
    model.eval()
    found = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for n in range(len(x)):
        for c in range(weights.shape[1]):
            model.zero_grad()
            model(x[n : n + 1]).log_softmax(1)[0, c].backward()
            for name, p in model.named_parameters():
                assert p.grad is not None
                found[name] += weights[n, c] * p.grad**2 / len(x)
    return found


def one_hot(y: Tensor, model: nn.Module, x: Tensor) -> Tensor:
    return nn.functional.one_hot(y, probabilities(model, x).shape[1]).double()


def probabilities(model: nn.Module, x: Tensor) -> Tensor:
    model.eval()
    return model(x).softmax(1).detach()


def assert_close(one: Parameters, two: Parameters, **tolerances: float) -> None:
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], **tolerances)


@pytest.mark.parametrize("make", [vectors, images])
class TestAgainstALoopOverSamples:
    def test_exact(self, make: Any) -> None:
        model, x, y = make()
        expected = brute_force(model, x, probabilities(model, x))
        assert_close(fisher_diagonal(model, chunks(x, y), "exact"), expected)

    def test_empirical(self, make: Any) -> None:
        model, x, y = make()
        expected = brute_force(model, x, one_hot(y, model, x))
        assert_close(fisher_diagonal(model, chunks(x, y), "empirical"), expected)

    def test_sampled(self, make: Any) -> None:
        model, x, y = make()
        torch.manual_seed(7)
        drawn = torch.multinomial(probabilities(model, x), 1)[:, 0]
        expected = brute_force(model, x, one_hot(drawn, model, x))
        torch.manual_seed(7)
        assert_close(fisher_diagonal(model, chunks(x, y), "sampled"), expected)

    @pytest.mark.parametrize("labels", ["exact", "empirical"])
    def test_how_samples_are_cut_does_not_matter(
        self, make: Any, labels: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Squaring a batch's mean gradient, as public code does, would make it matter."""
        model, x, y = make()
        whole = fisher_diagonal(model, chunks(x, y), labels)
        for size in (1, 4):
            assert_close(fisher_diagonal(model, chunks(x, y, size), labels), whole)
        for held in (100, 1):  # gradients held together: of two samples, of one
            monkeypatch.setattr(importance, "AT_A_TIME_CPU", held)
            assert_close(fisher_diagonal(model, chunks(x, y), labels), whole)

    def test_repeated_samples_change_nothing(self, make: Any) -> None:
        model, x, y = make()
        twice = chunks(torch.cat([x, x]), torch.cat([y, y]))
        once = fisher_diagonal(model, chunks(x, y), "exact")
        assert_close(fisher_diagonal(model, twice, "exact"), once)

    def test_the_model_is_left_as_it_was(self, make: Any) -> None:
        model, x, y = make()
        before = {name: t.clone() for name, t in model.state_dict().items()}
        modes = [part.training for part in model.modules()]
        fisher_diagonal(model, chunks(x, y), "sampled")
        assert all(torch.equal(before[name], t) for name, t in model.state_dict().items())
        assert [part.training for part in model.modules()] == modes
        assert all(p.grad is None and p.requires_grad for p in model.parameters())


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 12, 12)])
def test_convolutions_in_the_layout_that_networks_have(shape: tuple[int, ...]) -> None:
    """Channels last, which torch can batch only with a warning, and slowly."""
    torch.manual_seed(0)
    model = Network("convnet,width=8,depth=2", Space(shape, torch.device("cpu")))
    model.grow(3)
    x, y = torch.rand(6, *shape), torch.zeros(6).long()
    expected = brute_force(model, x, probabilities(model, x))
    found = fisher_diagonal(model, chunks(x, y), "exact")
    assert_close(found, expected, rtol=1e-3, atol=1e-7)


def test_importance_is_found_in_full_precision() -> None:
    torch.manual_seed(0)
    shape, backbone = (3, 32, 32), "resnet10t"  # with BatchNorm, which autocast and vmap refuse
    plain = Network(backbone, Space(shape, torch.device("cpu")))
    rounded = Network(backbone, Space(shape, torch.device("cpu"), "bfloat16"))
    plain.grow(3)
    rounded.load_state_dict(plain.state_dict())
    x, y = torch.rand(4, *shape), torch.tensor([0, 1, 2, 0])
    found = [fisher_diagonal(each, chunks(x, y), "empirical") for each in (plain, rounded)]
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])
    assert rounded.space.precision == "bfloat16"
    assert not torch.equal(plain.eval()(x), rounded.eval()(x))


def test_sampled_converges_to_exact() -> None:
    model, x, y = vectors()
    exact = fisher_diagonal(model, chunks(x, y), "exact")
    torch.manual_seed(3)
    many = fisher_diagonal(model, chunks(x.repeat(3000, 1), y.repeat(3000), 23000), "sampled")
    assert_close(many, exact, rtol=0.06, atol=1e-4)


def test_softmax_regression_in_closed_form() -> None:
    """F[W_cj] = mean of x_j^2 p_c (1 - p_c), F[b_c] = mean of p_c (1 - p_c)."""
    torch.manual_seed(0)
    model, x = nn.Linear(5, 3).double(), torch.randn(40, 5).double()
    spread = (p := probabilities(model, x)) * (1 - p)
    expected = {"weight": spread.T @ x**2 / 40, "bias": spread.mean(0)}
    assert_close(fisher_diagonal(model, chunks(x, torch.zeros(40).long()), "exact"), expected)


def test_frozen_parameters_are_left_out() -> None:
    model, x, y = vectors()
    model[0].requires_grad_(False)
    assert fisher_diagonal(model, chunks(x, y), "exact").keys() == {"2.weight", "2.bias"}


def test_without_samples_nothing_matters() -> None:
    model, _, _ = vectors()
    assert all(not f.any() for f in fisher_diagonal(model, [], "exact").values())


@pytest.mark.parametrize("labels", ["exact", "sampled", "empirical"])
def test_a_diverged_network_is_said_so(labels: Any) -> None:
    model, x, y = vectors()
    with torch.no_grad():
        model[2].bias[1] = float("nan")
    with pytest.raises(ClbenchError, match=r"training diverged: .*; lower the learning rate"):
        fisher_diagonal(model, chunks(x, y), labels)


def network(n_classes: int) -> Network:
    model = Network("mlp,width=4,depth=1", Space((3,), torch.device("cpu")))
    model.grow(n_classes)
    return model


def randomly(model: Network, seed: int) -> Parameters:
    generator = torch.Generator().manual_seed(seed)
    return {n: torch.rand(p.shape, generator=generator) for n, p in model.named_parameters()}


def shifted(model: Network) -> Network:
    with torch.no_grad():
        for p in model.parameters():
            p += torch.rand(p.shape, generator=torch.Generator().manual_seed(len(p)))
    return model


def penalty_by_loops(terms: list[tuple[Parameters, Parameters]], model: Network) -> float:
    """1/2 sum over terms, parameters and entries that an anchor has, one entry a time."""
    total = 0.0
    for weights, anchor in terms:
        for name, p in model.named_parameters():
            for where in torch.cartesian_prod(*map(torch.arange, anchor[name].shape)):
                i = tuple(torch.atleast_1d(where).tolist())
                total += float(weights[name][i]) * float(p.detach()[i] - anchor[name][i]) ** 2 / 2
    return total


class TestPenalty:
    def test_nothing_is_anchored_at_first(self) -> None:
        assert float(QuadraticAnchor().penalty(network(2))) == 0

    def test_it_is_zero_at_the_anchor_and_not_beside_it(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        anchor.add(randomly(model, 0), model)
        assert float(anchor.penalty(model).detach()) == 0
        shifted(model)
        penalty = anchor.penalty(model)
        penalty.backward()
        assert float(penalty.detach()) > 0
        assert all(p.grad is not None and bool((p.grad != 0).all()) for p in model.parameters())

    def test_its_gradient_is_importance_times_distance(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        weights = randomly(model, 0)
        anchor.add(weights, model)
        at = {name: p.detach().clone() for name, p in model.named_parameters()}
        anchor.penalty(shifted(model)).backward()
        for name, p in model.named_parameters():
            torch.testing.assert_close(p.grad, weights[name] * (p.detach() - at[name]))

    def test_against_loops_with_two_terms_and_a_head_that_grew(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        terms = []
        for seed, classes in ((0, 5), (1, 6)):
            here = {name: p.detach().clone() for name, p in model.named_parameters()}
            terms.append((randomly(model, seed), here))
            anchor.add(*terms[-1][:1], model)
            shifted(model).grow(classes)
        found, expected = [], []
        for _ in range(2):  # they differ by a constant
            found.append(float(anchor.penalty(shifted(model)).detach()))
            expected.append(penalty_by_loops(terms, model))
        assert found[1] - found[0] == pytest.approx(expected[1] - expected[0], rel=1e-4)

    def test_rows_that_grew_are_free(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        anchor.add(randomly(model, 0), model)
        shifted(model).grow(5)
        anchor.penalty(model).backward()
        assert model.head.weight.grad is not None
        assert bool((model.head.weight.grad[:2] != 0).all())
        assert not model.head.weight.grad[2:].any()

    def test_an_anchor_does_not_move_with_the_model(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        anchor.add(randomly(model, 0), model)
        before = {name: t.clone() for name, t in anchor.anchor.items()}
        shifted(model)
        assert_close(anchor.anchor, before, rtol=0, atol=0)


class TestOnlineForm:
    @pytest.mark.parametrize("gamma", [0.0, 0.3, 1.0])
    def test_old_importance_decays_and_the_anchor_moves(self, gamma: float) -> None:
        model, anchor = network(2), QuadraticAnchor()
        old = randomly(model, 0)
        anchor.merge(old, model, gamma)
        shifted(model).grow(5)
        new = randomly(model, 1)
        anchor.merge(new, model, gamma)
        found, at = anchor.importance, anchor.anchor
        for name, p in model.named_parameters():
            rows = len(old[name])
            torch.testing.assert_close(found[name][:rows], gamma * old[name] + new[name][:rows])
            torch.testing.assert_close(found[name][rows:], new[name][rows:])
            assert torch.equal(at[name], p)

    def test_what_was_measured_is_not_written_to(self) -> None:
        model, anchor = network(2), QuadraticAnchor()
        anchor.merge(randomly(model, 0), model, 1)
        new = randomly(model, 1)
        anchor.merge(new, model, 1)
        assert_close(new, randomly(model, 1), rtol=0, atol=0)

    def test_with_one_past_update_it_is_the_paper_form(self) -> None:
        model, one, two = network(2), QuadraticAnchor(), QuadraticAnchor()
        one.add(randomly(model, 0), model)
        two.merge(randomly(model, 0), model, 0.1)
        shifted(model)
        assert torch.equal(one.penalty(model), two.penalty(model))


def test_the_penalty_survives_as_bytes() -> None:
    model, anchor = network(2), QuadraticAnchor()
    for seed in range(3):
        anchor.add(randomly(model, seed), shifted(model))
    carried = state.pack({"anchor": anchor.state_dict()})
    copy = QuadraticAnchor()
    copy.load_state_dict(state.unpack(carried, torch.device("cpu"))["anchor"])
    shifted(model)
    assert torch.equal(copy.penalty(model), anchor.penalty(model))
    assert_close(copy.importance, anchor.importance, rtol=0, atol=0)
    assert_close(copy.anchor, anchor.anchor, rtol=0, atol=0)
