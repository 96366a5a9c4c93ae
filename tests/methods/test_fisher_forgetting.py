"""Fisher forgetting: the variance of its noise in both forms, and whose Fisher it is."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clbench.augment import to_input
from clbench.method import Batch, Method
from clbench.model.importance import Parameters, fisher_diagonal
from clbench_methods.fisher_forgetting import FisherForgetting, noise_variance
from forgetful import accuracy, forgetting, forgotten, learnt, samples
from living import gaussians, same, weights

FEW = [0, 1, 2]


def played(folder: Path, **given: Any) -> tuple[Method, Method, Any]:
    run = forgetting(folder, FisherForgetting, gaussians(), FEW, **given)
    original = learnt(run)
    return original, forgotten(run, original)[0], run


def test_the_papers_variance_is_alpha_over_the_root_of_the_fisher() -> None:
    fisher = torch.tensor([[1e-4, 1e-2], [1.0, 0.0]])
    found = noise_variance("backbone.1.weight", fisher, 1e-6, "paper")
    assert found.flatten().tolist() == pytest.approx([1e-4, 1e-5, 1e-6, 1e-2], rel=1e-3)


def test_the_codes_variance_is_capped_averaged_and_tenfold() -> None:
    fisher = torch.tensor([[1.0, 0.0], [0.1, 0.5]])  # 1 / F is 1, 1e8, 10, 2
    inside = noise_variance("backbone.1.weight", fisher, 1.0, "code")
    assert inside.tolist() == [pytest.approx([500.5] * 2), pytest.approx([6.0] * 2)]
    head = noise_variance("head.weight", fisher, 1.0, "code")
    assert head.tolist() == [pytest.approx([505.0] * 2), pytest.approx([60.0] * 2)]
    bias = noise_variance("backbone.1.bias", fisher[1], 1.0, "code")
    assert bias.tolist() == pytest.approx([100.0, 20.0])


@pytest.mark.parametrize("form", ["paper", "code"])
def test_the_noise_is_normal_with_that_variance(tmp_path: Path, form: Any) -> None:
    """The Fisher is that of the retained samples, by loops over samples and classes."""
    original, found, run = played(tmp_path, form=form, alpha=1e-5, backbone="mlp,width=64,depth=1")
    fisher = by_loops(original, samples(run, forget=False)[0])
    before, after = weights(original), weights(found)
    scaled = [
        ((after[name] - before[name]) / noise_variance(name, f, 1e-5, form).sqrt()).flatten()
        for name, f in fisher.items()
    ]
    drawn = torch.cat(scaled)
    n = len(drawn)
    assert abs(float(drawn.mean())) < 5 / n**0.5
    assert abs(float(drawn.var()) - 1) < 5 * (2 / n) ** 0.5
    assert float(drawn.abs().max()) < 5


def by_loops(method: Method, x: Tensor) -> Parameters:
    """Mean over samples of sum_c p(c) (d log p(c))^2."""
    model = method.model.eval()
    found = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for some in x.split(1):
        p = model(some).softmax(1).detach()[0]
        for c in range(len(p)):
            model.zero_grad()
            model(some).log_softmax(1)[0, c].backward()
            for name, parameter in model.named_parameters():
                assert parameter.grad is not None
                found[name] += p[c] * parameter.grad**2 / len(x)
    return found


def test_the_fisher_is_of_samples_not_of_batches() -> None:
    """Public code squares the gradient of a batch's mean for each class, at its mean probability.

    Two opposite inputs at a head of zeros: those gradients cancel, to 0 in place of 1/4.
    """
    model: Any = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(model.weight)
    x = torch.tensor([[1.0], [-1.0]])
    wrong = torch.zeros(2, 1)
    for c in range(2):
        model.zero_grad()
        (-model(x).log_softmax(1)[:, c].mean()).backward()
        wrong += 0.5 * model.weight.grad**2
    batch = Batch(x, x, torch.zeros(2).long(), torch.arange(2), True, to_input)
    right = fisher_diagonal(model, [batch], "exact")["weight"]
    assert wrong.flatten().tolist() == [0, 0]
    assert right.flatten().tolist() == [0.25, 0.25]


def test_no_row_of_the_head_is_set_to_0_where_a_class_is_forgotten(tmp_path: Path) -> None:
    """The authors' code does that, which no measure of the weights' information would find."""
    run = forgetting(tmp_path, FisherForgetting, gaussians(), range(20), alpha=1e-12)
    original = learnt(run)
    found, _ = forgotten(run, original)
    torch.testing.assert_close(
        weights(found)["head.weight"], weights(original)["head.weight"], rtol=0, atol=1e-3
    )


def test_what_is_forgotten_is_never_read(tmp_path: Path) -> None:
    run = forgetting(tmp_path, FisherForgetting, gaussians(), FEW)
    _, view = forgotten(run, learnt(run))
    assert not view.read[FEW].any()
    assert int(view.read.sum()) == 77


def test_more_noise_costs_more(tmp_path: Path) -> None:
    found = []
    for alpha in (0.0, 1e-6, 10.0):
        original, method, run = played(tmp_path / str(alpha), alpha=alpha)
        found.append(accuracy(method, *samples(run, forget=False)))
        assert same(weights(original), weights(method)) == (alpha == 0)
    assert found[0] == pytest.approx(found[1], abs=0.05)
    assert found[2] < 0.7
