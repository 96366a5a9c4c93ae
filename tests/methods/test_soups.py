"""Soups: means of weights with statistics of their own, chosen by data that no member saw."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clbench.cost import FlopMeter
from clbench.method import Method, Space, Training
from clbench.model.averaging import mean_weights, recompute_batchnorm
from clbench.play import Run
from clbench.source.base import Source
from clbench.source.synthetic import synthetic
from clbench_methods.finetune import Finetune
from clbench_methods.soups import Soup
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(
    folder: Path, kind: type[Method], source: Source | None = None, epochs: int = 3, **given: Any
) -> Run:
    source = source or gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


class Observed(Soup):
    """Keeps what it cooks and how each taste came out."""

    def build(self, space: Space) -> None:
        super().build(space)
        self._cooked: list[dict[str, Tensor]] = []
        self._tasted: list[float] = []
        self._held: Tensor | None = None
        self._trained: set[int] = set()

    def _member(self, *given: Any) -> Any:
        member = super()._member(*given)
        self._cooked.append({name: t.clone() for name, t in member.items()})
        self._held = given[1]
        return member

    def _accuracy(self, x: Tensor, y: Tensor) -> float:
        self._tasted.append(super()._accuracy(x, y))
        return self._tasted[-1]


class Normalised(Observed):
    """With BatchNorm, whose statistics an average of weights does not have."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))


def cooked(run: Run, version: int = 1) -> Any:
    method: Any = run.built()
    run.update(method, version, FlopMeter())
    return method


def test_one_member_of_the_uniform_recipe_is_finetuning(tmp_path: Path) -> None:
    one = versions(runs(tmp_path, Soup, members=1, recipe="uniform"))
    for method, plain in zip(one, versions(runs(tmp_path, Finetune)), strict=True):
        assert same(weights(method), weights(plain))


def test_the_uniform_soup_is_the_mean_of_all_members(tmp_path: Path) -> None:
    method = cooked(runs(tmp_path, Observed, members=3, recipe="uniform"))
    assert len(method._cooked) == 3
    for name, p in weights(method).items():
        expected = sum(member[name].double() for member in method._cooked) / 3
        torch.testing.assert_close(p.double(), expected, rtol=1e-6, atol=1e-7)
    assert not torch.equal(method._cooked[0]["head.weight"], method._cooked[1]["head.weight"])


@pytest.mark.parametrize("kind", [Observed, Normalised])
def test_the_greedy_soup_is_never_worse_than_its_best_member(
    tmp_path: Path, kind: type[Observed]
) -> None:
    """On the held-out part; noisy classes and steps too large make members that differ."""
    hard = synthetic(classes=4, per_class=40, test_per_class=4, dim=6, separation=1.5)
    differ = False
    for seed in range(3):
        source, given = hard, SMALL | {"members": 4, "held_out": 0.4, "training": {"lr": 0.5}}
        stream = stream_of(source, 4, epochs=2)
        method = cooked(begun(tmp_path / str(seed), kind, stream, source, seed, **given))
        alone = method._tasted[:4]
        differ |= len(set(alone)) > 1
        x, y = data(begun(tmp_path / f"{seed}x", kind, stream, source, seed, **given), 1)
        rows = torch.isin(torch.from_numpy(stream.updates[0].samples), method._held)
        final = float((method.predict(x[rows]).argmax(1) == y[rows]).float().mean())
        assert final >= max(alone) - 1e-6
    assert differ


def test_what_is_held_out_trains_no_member(tmp_path: Path) -> None:
    """Labels of held-out samples may be anything: the members are the same."""
    source = gaussians()
    one = cooked(runs(tmp_path, Observed, source))
    held = one._held.numpy()
    assert len(held) == 4  # a tenth of the update
    y = source.train.y.copy()
    run = runs(tmp_path / "again", Observed, source)
    run.samples["train"].y[torch.from_numpy(held)] = 1 - run.samples["train"].y[held]
    two = cooked(run)
    assert torch.equal(one._held, two._held)
    for a, b in zip(one._cooked, two._cooked, strict=True):
        assert same(a, b)
    assert (y == source.train.y).all()


def test_rates_lie_evenly_in_logarithm() -> None:
    found = Soup(members=3, spread=4.0, training=Training(lr=0.1))._rates()
    assert found == pytest.approx([0.025, 0.1, 0.4])
    assert Soup(members=1, training=Training(lr=0.1))._rates() == [0.1]


def test_no_batch_is_left_with_one_sample(tmp_path: Path) -> None:
    """Which BatchNorm could not be trained on: half of each pair is held out."""
    run = runs(tmp_path, Normalised, held_out=0.5, training={"batch_size": 2}, epochs=1)
    assert all(torch.isfinite(p).all() for p in weights(cooked(run)).values())


def test_a_single_sample_is_learned_from(tmp_path: Path) -> None:
    source = synthetic(classes=2, per_class=1, test_per_class=4, dim=6)
    run = begun(tmp_path, Soup, stream_of(source, 1, epochs=1), source, **SMALL)
    before = weights(run.built())["backbone.body.1.weight"]
    *_, last = versions(run)
    assert not torch.equal(weights(last)["backbone.body.1.weight"], before)


class TestAverages:
    def test_means_by_hand_and_counters_kept(self) -> None:
        one = {"w": torch.tensor([1.0, 2.0]), "n": torch.tensor(3)}
        two = {"w": torch.tensor([2.0, 6.0]), "n": torch.tensor(5)}
        found = mean_weights([one, two])
        assert found["w"].tolist() == [1.5, 4.0]
        assert found["n"].item() == 3

    def test_statistics_are_the_means_over_batches(self) -> None:
        model = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2, momentum=0.3), nn.Dropout(0.5))
        x = 5 * torch.randn(24, 3) + 2
        model(x * 100)  # spoils them
        before = {name: p.clone() for name, p in model.named_parameters()}
        recompute_batchnorm(model, [*x.split(8), x[:1]])  # a sample left over counts for nothing
        with torch.no_grad():
            parts = [model[0](some) for some in x.split(8)]
        norm: Any = model[1]
        torch.testing.assert_close(
            norm.running_mean, torch.stack([p.mean(0) for p in parts]).mean(0)
        )
        torch.testing.assert_close(norm.running_var, torch.stack([p.var(0) for p in parts]).mean(0))
        assert norm.momentum == 0.3
        assert all(part.training for part in model.modules())
        assert same(before, dict(model.named_parameters()))

    def test_without_batchnorm_no_batch_is_asked_for(self) -> None:
        def none() -> Any:
            raise AssertionError
            yield

        recompute_batchnorm(nn.Linear(2, 2), none())


def test_a_soup_has_the_statistics_of_its_weights(tmp_path: Path) -> None:
    run = runs(tmp_path, Normalised, members=2, recipe="uniform")
    method = cooked(run)
    x, _ = data(run, 1)
    body = method.model.backbone.body
    with torch.no_grad():
        before = body[:-1](x)
    torch.testing.assert_close(body[-1].running_mean, before.mean(0))
    torch.testing.assert_close(body[-1].running_var, before.var(0))
    assert_close(weights(method), mean_of(method._cooked, weights(method)), rtol=1e-6, atol=1e-6)


def mean_of(members: list[dict[str, Tensor]], like: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: torch.stack([m[name] for m in members]).mean(0) for name in like}
