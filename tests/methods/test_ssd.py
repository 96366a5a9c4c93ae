"""SSD and LFSSD: dampening in closed form, importances sample by sample, the published mistakes."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.augment import to_input
from clbench.method import Batch, Method, Network
from clbench.model.importance import Parameters, fisher_diagonal, output_sensitivity
from clbench_methods.ssd import LFSSD, SSD, dampen
from forgetful import forgetting, forgotten, learnt, samples
from living import assert_close, gaussians, same, weights

SMALL = {"backbone": "mlp,width=8"}
FEW = [0, 1, 2]


def played(folder: Path, kind: type[Method], **given: Any) -> tuple[Method, Method, Any]:
    run = forgetting(folder, kind, gaussians(), FEW, **SMALL | given)
    original = learnt(run)
    return original, forgotten(run, original)[0], run


def by_hand(
    before: Parameters, everything: Parameters, gone: Parameters, alpha: float, strength: float
) -> Parameters:
    """The paper's rule, number by number."""
    found = {}
    for name, weight in before.items():
        rows = zip(
            weight.flatten().tolist(),
            everything[name].flatten().tolist(),
            gone[name].flatten().tolist(),
            strict=True,
        )
        values = [w * min(strength * d / f, 1) if f > alpha * d else w for w, d, f in rows]
        found[name] = torch.tensor(values).view(weight.shape)
    return found


@pytest.mark.parametrize(("alpha", "strength"), [(1, 1), (2, 0.5), (0.1, 5), (10, 1)])
def test_weights_are_dampened_as_the_paper_says(alpha: float, strength: float) -> None:
    torch.manual_seed(0)
    model: Any = nn.Linear(30, 20)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    everything = {name: torch.rand_like(p) for name, p in before.items()}
    gone = {name: torch.rand_like(p) * 3 for name, p in before.items()}
    gone["bias"][:5] = everything["bias"][:5] = 0  # a dead unit: 0 is not above 0
    dampen(model, everything, gone, alpha, strength)
    after = {name: p.detach() for name, p in model.named_parameters()}
    assert_close(after, by_hand(before, everything, gone, alpha, strength))


def test_no_weight_grows() -> None:
    """Where alpha is below lambda, the ratio alone would multiply weights."""
    model: Any = nn.Linear(1, 1, bias=False)
    one = {"weight": torch.ones(1, 1)}
    before = model.weight.item()
    dampen(model, one, one, alpha=0.5, strength=3.0)
    assert model.weight.item() == before


def squared(model: Network, x: Tensor, y: Tensor) -> Parameters:
    """Mean over samples of the squared gradient of the loss, by one backward pass each."""
    return _gradients(model, x, y, lambda logits, label: cross_entropy(logits, label), 2)


def sensitivity(model: Network, x: Tensor, y: Tensor) -> Parameters:
    return _gradients(model, x, y, lambda logits, label: logits.square().sum(), 1)


def _gradients(model: Network, x: Tensor, y: Tensor, loss: Any, power: int) -> Parameters:
    found = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for some, label in zip(x.split(1), y.split(1), strict=True):
        model.zero_grad()
        loss(model(some), label).backward()
        for name, p in model.named_parameters():
            assert p.grad is not None
            found[name] += p.grad.abs() ** power / len(x)
    return found


@pytest.mark.parametrize(("kind", "importance"), [(SSD, squared), (LFSSD, sensitivity)])
def test_it_compares_what_is_forgotten_with_all_data(
    tmp_path: Path, kind: type[Method], importance: Any
) -> None:
    original, found, run = played(tmp_path, kind, alpha=1.2, dampening=0.8)
    gone, kept = samples(run, forget=True), samples(run, forget=False)
    everything = importance(original.model, *map(torch.cat, zip(gone, kept, strict=True)))
    expected = by_hand(weights(original), everything, importance(original.model, *gone), 1.2, 0.8)
    assert not same(weights(original), weights(found))
    assert_close(weights(found), expected, rtol=1e-3, atol=1e-6)


def opposed() -> tuple[Any, Tensor, Tensor]:
    """A head of zeros over one input of 1, seen with either label: gradients of -1/2 and 1/2."""
    model = nn.Linear(1, 2, bias=False)
    nn.init.zeros_(model.weight)
    return model, torch.ones(2, 1), torch.tensor([0, 1])


def test_importances_are_of_samples_not_of_batches() -> None:
    """Public code squares the mean gradient of a batch, where these two cancel: 0, not 1/4."""
    model, x, y = opposed()
    cross_entropy(model(x), y).backward()
    assert (model.weight.grad**2).flatten().tolist() == [0, 0]
    batch = Batch(x, x, y, y, True, to_input)
    assert fisher_diagonal(model, [batch], "empirical")["weight"].flatten().tolist() == [0.25] * 2


def test_sensitivities_are_of_samples_not_of_batches() -> None:
    """The gradient of |w x|^2 is 2 w x^2 in each of two samples, and its sign is that of w."""
    model: Any = nn.Linear(2, 1, bias=False)
    nn.init.ones_(model.weight)
    x = torch.tensor([[2.0, 1.0], [-1.0, 2.0]])  # d / d w_0 = 2 (w x) x_0 = 12 and -2
    model(x).square().sum(1).mean().backward()
    assert model.weight.grad[0, 0] == 5
    batch = Batch(x, x, torch.zeros(2).long(), torch.arange(2), True, to_input)
    assert output_sensitivity(model, [batch])["weight"][0, 0] == 7


@pytest.mark.parametrize("kind", [SSD, LFSSD])
def test_a_share_of_one_in_alpha_cannot_be_forgotten(tmp_path: Path, kind: type[Method]) -> None:
    """I_D is at least the share times I_F, so I_F > alpha I_D needs a share below 1 / alpha."""
    run = forgetting(tmp_path, kind, gaussians(), range(8), alpha=10.0, **SMALL)  # of 80
    original = learnt(run)
    assert same(weights(original), weights(forgotten(run, original)[0]))


def test_the_form_without_labels_reads_none(tmp_path: Path) -> None:
    """To the last bit, where the labels of what is to be forgotten are hidden and where not."""
    shown = played(tmp_path / "shown", LFSSD, alpha=1.0)[1]
    hidden = played(tmp_path / "hidden", LFSSD, alpha=1.0, protocol={"forget_labels": False})[1]
    assert same(weights(shown), weights(hidden))
