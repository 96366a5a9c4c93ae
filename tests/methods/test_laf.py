"""LAF: its losses in closed form, its autoencoders, and what it reads."""

from math import e
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.distributions import Normal, kl_divergence

from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.method import Method, Space
from clbench.model.variational import VAE, divergence, fit_vae
from clbench_methods import laf
from clbench_methods.laf import LAF, misalignment, strangeness
from forgetful import forgetting, forgotten, learnt, samples
from living import gaussians, same, weights

FEW = [0, 1, 2, 3, 4, 5]
RATES = {"unlearning": {"lr": 1e-3, "batch_size": 4, "epochs": 2, "optimiser": "adam"}}
SMALL: dict[str, Any] = {"backbone": "mlp,width=8", "alignment_lr": 1e-3} | RATES


def test_strangeness_goes_from_1_to_e() -> None:
    found = [strangeness(torch.tensor([m])).item() for m in (0.0, 1.0, 1e9)]
    assert found == pytest.approx([1, e**0.5, e])


def test_misalignment_is_the_logarithm_of_the_ratio() -> None:
    torch.manual_seed(0)
    r, r0, f, f0 = (torch.randn(n, 7).double() for n in (5, 5, 3, 3))
    kept = [1 - one @ two / (one.norm() * two.norm()) for one, two in zip(r, r0, strict=True)]
    gone = [1 - one @ two / (one.norm() * two.norm()) for one, two in zip(f, f0, strict=True)]
    below = torch.stack([(m / 20).exp() for m in gone]).sum()
    expected = torch.stack([(m.exp() / below).log() for m in kept]).mean()
    torch.testing.assert_close(misalignment(r, r0, f, f0, 20.0), expected)


def test_the_divergence_is_that_of_normals() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(4, 3), torch.randn(4, 3)
    expected = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1)
    torch.testing.assert_close(divergence(mean, log_variance), expected)


def fitted(features: Tensor, epochs: int) -> VAE:
    torch.manual_seed(0)
    vae = VAE(features.shape[1], latent=4)
    settings = {"epochs": epochs, "lr": 1e-2, "batch_size": 16, "weight": 0.025}
    fit_vae(vae, features, Generator().manual_seed(0), **settings)  # type: ignore[arg-type]
    return vae


def test_an_autoencoder_reaches_features_of_any_size() -> None:
    """The authors' decoder ends in a sigmoid: of features at 5 it misses 4^2 each, whatever."""
    features = 5 + 0.1 * torch.randn(64, 8)
    wrong = 8 * (5 - 1) ** 2
    assert fitted(features, 20).error(features).mean().item() < wrong / 10


def test_an_autoencoder_knows_its_own_distribution() -> None:
    torch.manual_seed(1)
    one, two = torch.randn(128, 8) + 3, torch.randn(128, 8) - 3
    vae = fitted(one, 15)
    assert vae.error(two).mean().item() > 3 * vae.error(one).mean().item()


def played(folder: Path, **given: Any) -> tuple[Method, Method, Any]:
    run = forgetting(folder, LAF, gaussians(), FEW, **SMALL | given)
    original = learnt(run)
    return original, forgotten(run, original)[0], run


def test_each_autoencoder_is_of_its_own_samples(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The authors' code shows the first one all training data, 80 and not 74."""
    seen = []

    def noted(vae: VAE, features: Tensor, *args: Any, **kwargs: Any) -> None:
        seen.append(features)

    monkeypatch.setattr(laf, "fit_vae", noted)
    original, _, run = played(tmp_path)
    for features, forget in zip(seen, (False, True), strict=True):
        expected = original.embed(samples(run, forget=forget)[0])
        torch.testing.assert_close(features, expected)


def test_it_moves_what_is_forgotten_further_than_what_is_kept(tmp_path: Path) -> None:
    rates = RATES["unlearning"] | {"epochs": 15}
    original, found, run = played(tmp_path, unlearning=rates)
    moved = []
    for forget in (True, False):
        x, _ = samples(run, forget=forget)
        before, after = original.embed(x), found.embed(x)
        moved.append((1 - torch.cosine_similarity(before, after)).mean().item())
    assert moved[0] > 2 * moved[1]


def test_an_epoch_is_a_pass_over_what_is_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """6 samples in batches of 4: two steps an epoch, however much is retained."""
    calls = []
    plain = laf.misalignment
    monkeypatch.setattr(laf, "misalignment", lambda *a: calls.append(1) or plain(*a))
    played(tmp_path)
    assert len(calls) == 2 * 2


def scrambled(folder: Path, **given: Any) -> Method:
    """What it makes of the original where all labels are other ones by then."""
    run = forgetting(folder, LAF, gaussians(), FEW, **SMALL | given)
    original = learnt(run)
    run.samples["train"].y.add_(1).remainder_(4)
    run.update(original, 2, FlopMeter())
    return original


def test_no_label_is_read(tmp_path: Path) -> None:
    one, two = played(tmp_path / "one")[1], scrambled(tmp_path / "two")
    assert same(weights(one), weights(two))


def test_the_head_moves_in_repair_alone(tmp_path: Path) -> None:
    original, found, _ = played(tmp_path / "plain")
    repaired = played(tmp_path / "repaired", repair=1)[1]
    before, after, last = (weights(m)["head.weight"] for m in (original, found, repaired))
    assert torch.equal(before, after)
    assert not torch.equal(before, last)
    other = scrambled(tmp_path / "scrambled", repair=1)
    assert not same(weights(repaired), weights(other))


def test_a_backbone_that_stands_still_is_refused() -> None:
    space = Space((6,), torch.device("cpu"))
    with pytest.raises(ClbenchError, match="backbone identity has nothing that trains"):
        LAF(backbone="identity").build(space)
