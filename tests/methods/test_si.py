"""SI: the path integral against a loop that one would write, and against its closed forms."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.method import Method, Training
from clbench.play import Run
from clbench.seeds import derive
from clbench_methods.finetune import Finetune
from clbench_methods.si import SI, PathIntegral
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}
TRAINING = {"lr": 0.2, "momentum": 0.5, "weight_decay": 0.01, "batch_size": 16}


def runs(folder: Path, kind: type[Method], epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


@pytest.mark.parametrize("training", [TRAINING, {"optimiser": "adam", "lr": 0.01}])
def test_without_strength_it_is_finetuning_to_the_last_bit(
    tmp_path: Path, training: dict[str, Any]
) -> None:
    one = versions(runs(tmp_path, SI, strength=0, training=training))
    for method, plain in zip(
        one, versions(runs(tmp_path, Finetune, training=training)), strict=True
    ):
        assert same(weights(method), weights(plain))


class Loop:
    """SI as one would write it: two backward passes, torch's own optimiser, plain dictionaries."""

    def __init__(self, model: nn.Module, c: float, xi: float) -> None:
        self.model, self.c, self.xi = model, c, xi
        self.importance: dict[str, Tensor] = {}
        self.anchor: dict[str, Tensor] = {}

    def learn(self, run: Run, version: int, epochs: int) -> None:
        shuffles = torch.Generator().manual_seed(derive(0, "view", version - 1))
        torch.manual_seed(derive(0, "update", version))
        self.model.grow(2 * version)  # type: ignore[operator]
        sgd = torch.optim.SGD(self.model.parameters(), lr=0.2, momentum=0.5, weight_decay=0.01)
        named = dict(self.model.named_parameters())
        start = {n: p.detach().clone() for n, p in named.items()}
        omega = {n: torch.zeros_like(p) for n, p in named.items()}
        x, y = data(run, version)
        for _ in range(epochs):
            for some in torch.randperm(len(x), generator=shuffles).split(16):
                self.step(sgd, named, omega, x[some], y[some])
        for n, p in named.items():
            gained = omega[n] / ((p.detach() - start[n]) ** 2 + self.xi)
            if n in self.importance:
                gained[: len(self.importance[n])] += self.importance[n]
            self.importance[n], self.anchor[n] = gained.relu(), p.detach().clone()

    def step(
        self,
        sgd: torch.optim.Optimizer,
        named: dict[str, nn.Parameter],
        omega: dict[str, Tensor],
        x: Tensor,
        y: Tensor,
    ) -> None:
        sgd.zero_grad()
        cross_entropy(self.model(x), y).backward()
        alone = {n: p.grad.clone() for n, p in named.items() if p.grad is not None}
        before = {n: p.detach().clone() for n, p in named.items()}
        for n, f in self.importance.items():
            (self.c * f * (named[n][: len(f)] - self.anchor[n]) ** 2).sum().backward()
        sgd.step()
        for n, p in named.items():
            omega[n] -= alone[n] * (p.detach() - before[n])


def test_it_is_the_loop_that_one_would_write(tmp_path: Path) -> None:
    """With momentum and weight decay, where public code takes lr g^2 of the penalised loss."""
    run = runs(tmp_path, SI, strength=2, xi=0.05, training=TRAINING)
    loop = Loop(run.built().model, c=2, xi=0.05)
    for version, method in enumerate(versions(run), start=1):
        loop.learn(run, version, epochs=3)
        found = {name: p.detach() for name, p in loop.model.named_parameters()}
        assert_close(weights(method), found, rtol=1e-4, atol=1e-5)
        importance, anchor = method.anchor.importance, method.anchor.anchor
        assert_close(importance, loop.importance, rtol=1e-3, atol=1e-4)
        assert_close(anchor, loop.anchor, rtol=1e-4, atol=1e-5)


class Bowl(nn.Module):
    """Loss sum_i a_i theta_i^2 / 2, whose minimum is at 0."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -2.0, 0.5, 3.0]).double())
        self.a = torch.tensor([0.5, 1.0, 2.0, 0.3]).double()

    def loss(self) -> Tensor:
        return (self.a * self.theta.square()).sum() / 2


def descended(bowl: Bowl, training: Training, steps: int, pull: float = 0.0) -> PathIntegral:
    step, path = training.start(bowl), PathIntegral(bowl)
    for _ in range(steps):
        step(path.before(bowl.loss()) + pull * (bowl.theta - 1).square().sum())
        path.after()
    return path


class TestOnABowl:
    def test_plain_sgd_in_closed_form(self) -> None:
        """theta_k = (1 - lr a)^k theta_0, so omega = lr a^2 theta_0^2 sum_k (1 - lr a)^(2k)."""
        bowl = Bowl()
        start, a, lr, steps = bowl.theta.detach().clone(), bowl.a, 0.3, 7
        path = descended(bowl, Training(lr=lr), steps)
        q = (1 - lr * a) ** 2
        expected = lr * a**2 * start**2 * (1 - q**steps) / (1 - q)
        torch.testing.assert_close(path.omega["theta"], expected)

    def test_small_steps_give_each_parameter_its_share_of_the_fall_in_loss(self) -> None:
        bowl = Bowl()
        before = bowl.a * bowl.theta.detach().square() / 2
        path = descended(bowl, Training(lr=1e-3), 200)
        after = bowl.a * bowl.theta.detach().square() / 2
        torch.testing.assert_close(path.omega["theta"], before - after, rtol=2e-3, atol=0)

    def test_at_the_bottom_the_importance_is_half_the_curvature(self) -> None:
        """So that the penalty with c = 1 and xi = 0 is the loss that was there."""
        bowl = Bowl()
        path = descended(bowl, Training(lr=0.02), 1200)
        torch.testing.assert_close(path.importance(0.0)["theta"], bowl.a / 2, rtol=0.03, atol=0)

    def test_the_integral_takes_the_step_made_and_the_gradient_without_penalty(self) -> None:
        bowl, twin = Bowl(), Bowl()
        training = Training(lr=0.1, momentum=0.9, weight_decay=0.1)
        path = descended(bowl, training, 5, pull=0.7)
        sgd = torch.optim.SGD(twin.parameters(), lr=0.1, momentum=0.9, weight_decay=0.1)
        omega = torch.zeros(4).double()
        for _ in range(5):
            before = twin.theta.detach().clone()
            sgd.zero_grad()
            (twin.loss() + 0.7 * (twin.theta - 1).square().sum()).backward()
            sgd.step()
            omega -= twin.a * before * (twin.theta.detach() - before)
        torch.testing.assert_close(bowl.theta, twin.theta)
        torch.testing.assert_close(path.omega["theta"], omega)

    def test_damping_by_hand(self) -> None:
        bowl = Bowl()
        start = bowl.theta.detach().clone()
        path = descended(bowl, Training(lr=0.2), 3)
        moved = bowl.theta.detach() - start
        expected = path.omega["theta"] / (moved**2 + 0.1)
        torch.testing.assert_close(path.importance(0.1)["theta"], expected)


def test_every_update_integrates_anew(tmp_path: Path) -> None:
    """An update that hardly moves adds hardly any importance to what was there."""
    first, second = versions(runs(tmp_path, SI, strength=0, training={"lr": 1e-6}))
    for name, importance in first.anchor.importance.items():
        later = second.anchor.importance[name][: len(importance)]
        assert float((later - importance).abs().max()) < 1e-3


def test_no_importance_is_negative(tmp_path: Path) -> None:
    given = {"strength": 0.1, "training": {"lr": 0.5, "batch_size": 4}}
    for method in versions(runs(tmp_path, SI, **given)):
        assert all(bool((f >= 0).all()) for f in method.anchor.importance.values())


def test_a_penalty_holds_what_mattered(tmp_path: Path) -> None:
    moved = []
    for strength in (0.0, 1.0):
        first, second = versions(runs(tmp_path, SI, epochs=20, strength=strength))
        importance, anchor = first.anchor.importance, first.anchor.anchor
        ways = [
            (f.sqrt() * (weights(second)[n][: len(f)] - anchor[n])).square().sum()
            for n, f in importance.items()
        ]
        moved.append(float(torch.stack(ways).sum()))
    assert moved[1] < moved[0] / 2
