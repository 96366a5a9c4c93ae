"""Influence unlearning: its step against dense algebra, and its direction on digits."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model import woodfisher
from clbench.model.fitting import fit
from clbench_methods import influence
from clbench_methods.influence import Influence
from forgetful import forgetting, forgotten, learnt, samples
from living import gaussians, same, weights

SMALL = {"backbone": "mlp,width=8,depth=1"}


def rows(method: Method, x: Tensor, y: Tensor) -> Tensor:
    """Gradients [n, P] of the loss, one sample at a time, in double precision."""
    found = []
    for some, label in zip(x.split(1), y.split(1), strict=True):
        method.model.zero_grad()
        cross_entropy(method.model(some), label).backward()
        found.append(torch.cat([p.grad.flatten() for p in method.model.parameters()]).double())
    return torch.stack(found)


def flat(method: Method) -> Tensor:
    return torch.cat([p.flatten() for p in weights(method).values()]).double()


@pytest.mark.parametrize(("alpha", "damping"), [(0.2, 1.0), (1.0, 0.05)])
def test_its_step_is_the_dense_one(tmp_path: Path, alpha: float, damping: float) -> None:
    given: dict[str, Any] = SMALL | {"alpha": alpha, "damping": damping}
    run = forgetting(tmp_path, Influence, gaussians(), range(12), **given)
    original = learnt(run)
    found, _ = forgotten(run, original)
    gone = rows(original, *samples(run, forget=True))
    kept = rows(original, *samples(run, forget=False))
    fisher = damping * torch.eye(gone.shape[1]).double() + kept.T @ kept / len(kept)
    share = len(gone) / (len(gone) + len(kept))
    step = torch.linalg.solve(fisher, share * (gone.mean(0) - kept.mean(0)))
    moved = flat(found) - flat(original)
    torch.testing.assert_close(moved, alpha * step, rtol=1e-2, atol=1e-6)


def test_of_many_retained_samples_it_takes_some(tmp_path: Path) -> None:
    """Another draw is another step: N counts."""
    steps = []
    for n in (5, 68):
        run = forgetting(tmp_path / str(n), Influence, gaussians(), range(12), samples=n, **SMALL)
        steps.append(weights(forgotten(run, learnt(run))[0]))
    assert not same(*steps)


def test_a_fisher_that_cannot_be_held_is_refused_before_anything_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    width = 6 * 8 + 8 + 8 * 4 + 4
    monkeypatch.setattr(woodfisher, "ROOM", 30 * 4 * width)
    monkeypatch.setattr(influence, "fit", lambda *_: pytest.fail("trained"))
    with pytest.raises(ClbenchError, match=r"80 gradients of 92 parameters .*; use 30 samples"):
        learnt(forgetting(tmp_path / "all", Influence, gaussians(), range(12), **SMALL))
    monkeypatch.setattr(influence, "fit", fit)
    for name, given in (("few", {"samples": 30}), ("quarter", {"protocol": {"retained": 0.25}})):
        learnt(forgetting(tmp_path / name, Influence, gaussians(), range(12), **SMALL | given))
