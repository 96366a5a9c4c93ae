"""Datamodel matching: predictions against models that are trained anew, and the matching itself."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss, one_hot, pad

from clbench import state
from clbench.cost import FlopMeter
from clbench.ensemble.datamodels import lasso_datamodels, ridge_datamodels
from clbench.ensemble.matching import Matching
from clbench.ensemble.subset_removal import SubsetRemoval
from clbench.ensemble.trak import margin, trak_scores
from clbench.grants import lacking
from clbench.method import Method, View
from clbench.source.digits import digits
from clbench.stream import Update
from clbench.view import View as AnyView
from clbench_methods.dmm import DMM, DMDirect
from clbench_methods.oracle_matching import OracleMatching
from clbench_methods.retrain import Retrain
from forgetful import forgetting, forgotten, learnt, request, samples
from living import gaussians, same, weights

GONE = [0, 1, 2, 25, 41, 42, 60]
PENALTY = 2.0
LINEAR: dict[str, Any] = {"backbone": "identity", "training": {"epochs": 3}}
THREES = np.flatnonzero(digits().train.y == 3).tolist()
MLP: dict[str, Any] = {
    "backbone": "mlp,width=32,depth=1",
    "training": {"lr": 0.05, "momentum": 0.9, "epochs": 4},
}
METHODS = (DMDirect, DMM, OracleMatching)


def ridge_logits(x: Tensor, y: Tensor, queries: Tensor, classes: int = 4) -> Tensor:
    """Ridge regression onto one-hot labels, with a constant feature, by the normal equations."""
    f, q = (pad(each.double(), (0, 1), value=1.0) for each in (x, queries))
    gram = f.T @ f + PENALTY * torch.eye(f.shape[1])
    return q @ torch.linalg.solve(gram, f.T @ one_hot(y, classes).double())


def solve_head(method: Any, view: View) -> None:
    """Learn by giving the network the ridge head instead of training it."""
    method.model.grow(view.n_classes)
    (batch,) = view.chunks(10_000)
    unit = pad(torch.eye(batch.x.shape[1]), (0, 0, 0, 1))
    head = ridge_logits(batch.x, batch.y, unit, view.n_classes)
    with torch.no_grad():
        method.model.head.bias.copy_(head[-1])
        method.model.head.weight.copy_((head[:-1] - head[-1]).T)
    method.removal.learn(method.model, view)


class SolvedDirect(DMDirect):
    """DM-Direct over a ridge head."""

    card = DMDirect.card

    def learn(self, view: View) -> None:
        solve_head(self, view)


class SolvedDMM(DMM):
    """DMM over a ridge head."""

    card = DMM.card

    def learn(self, view: View) -> None:
        solve_head(self, view)
        self.original = copy.deepcopy(self.model)


def distance(method: Method, oracle: Tensor, x: Tensor, y: Tensor) -> float:
    """Mean distance of margins to those of the oracle's logits."""
    gaps = margin(method.predict(x).double(), y) - margin(oracle.double(), y)
    return float(gaps.abs().mean())


class TestExact:
    def test_over_a_ridge_head_the_prediction_is_the_retrained_model(self, tmp_path: Path) -> None:
        run = forgetting(
            tmp_path, SolvedDirect, gaussians(), GONE, backbone="identity", penalty=PENALTY
        )
        found, _ = forgotten(run, learnt(run))
        (x, _), (kept, labels) = (samples(run, forget=gone) for gone in (True, False))
        assert found.removal.scale == pytest.approx(1, abs=1e-5)  # type: ignore[attr-defined]
        for queries in (x, kept):
            expected = ridge_logits(kept, labels, queries)
            assert torch.allclose(found.predict(queries).double(), expected, atol=1e-4)

    def test_requests_that_follow_add_up(self, tmp_path: Path) -> None:
        given: dict[str, Any] = {"backbone": "identity", "penalty": PENALTY}
        run = forgetting(tmp_path, SolvedDirect, gaussians(), GONE, **given)
        whole, _ = forgotten(run, learnt(run))
        parts = learnt(run)
        for ids in (GONE[:3], GONE[3:]):
            update = Update(1, "forget", np.array(ids), np.arange(4))
            options: dict[str, Any] = {"n_classes": 4, "protocol": run.stream.protocol, "seed": 0}
            parts.forget(AnyView(update, run.samples["train"], **options))
            parts = run.rebuilt(state.pack(parts.state()))
        x, _ = samples(run, forget=False)
        assert torch.allclose(parts.predict(x), whole.predict(x), atol=1e-5)

    def test_over_a_ridge_head_matching_comes_close_to_the_null(self, tmp_path: Path) -> None:
        """Ridge heads have no randomness: models trained anew are at distance 0 of each other."""
        matching = {"lr": 0.01, "epochs": 150, "decay": 0.98, "retain_multiplier": 20}
        given = {"backbone": "identity", "penalty": PENALTY, "matching": matching}
        run = forgetting(tmp_path, SolvedDMM, gaussians(), GONE, **given)
        original = learnt(run)
        found, _ = forgotten(run, original)
        (x, y), kept = samples(run, forget=True), samples(run, forget=False)
        oracle = ridge_logits(*kept, x)
        nothing, matched = (distance(each, oracle, x, y) for each in (original, found))
        assert matched < 0.1 * nothing


def test_trak_predicts_what_its_scores_add_up_to(tmp_path: Path) -> None:
    run = forgetting(
        tmp_path, DMDirect, gaussians(), GONE, **LINEAR, attribution="trak", dimensions=10_000
    )
    original = learnt(run)
    found, _ = forgotten(run, original)
    x, y = samples(run, forget=True)
    kept, labels = samples(run, forget=False)
    train = torch.cat([x, kept]), torch.cat([y, labels])
    options: dict[str, Any] = {"damping": 1.0, "weighted": True, "dimensions": 10_000}
    scores = trak_scores([original.model], train, kept, **options)
    expected = original.model(kept) - scores[: len(x)].sum(0)
    assert torch.allclose(found.predict(kept).double(), expected.detach(), atol=1e-4)


class TestSubsets:
    @pytest.mark.parametrize("by", ["ridge", "lasso"])
    def test_predict_by_regression_on_models_of_subsets(self, tmp_path: Path, by: str) -> None:
        fit = {"ridge": ridge_datamodels, "lasso": lasso_datamodels}[by]
        given = {**LINEAR, "attribution": by, "models": 12, "penalty": 0.3}
        run = forgetting(tmp_path, DMDirect, gaussians(), GONE, **given)
        original = learnt(run)
        found, _ = forgotten(run, original)
        removal = found.removal  # type: ignore[attr-defined]
        assert isinstance(removal, SubsetRemoval)
        (ensemble,) = removal.ensembles
        x, _ = samples(run, forget=False)
        outputs = ensemble.answers(original.model, x)
        datamodels = fit(ensemble.masks.numpy(), outputs.numpy(), 0.3)
        gone = np.isin(ensemble.ids.numpy(), GONE)
        expected = original.predict(x) - torch.from_numpy(datamodels.effect(gone)).float()
        assert torch.allclose(found.predict(x), expected, atol=1e-4)
        assert ensemble.masks.sum(1).eq(40).all()

    def test_models_know_their_subset_alone(self, tmp_path: Path) -> None:
        """Two samples teach a model two classes at most: the mask names the two that it knows."""
        training = {"epochs": 60}
        given = {"backbone": "identity", "attribution": "ridge", "models": 6, "share": 2 / 80}
        run = forgetting(tmp_path, DMDirect, gaussians(), GONE, **given, training=training)
        method, _ = forgotten(run, learnt(run))
        (ensemble,) = method.removal.ensembles  # type: ignore[attr-defined]
        assert ensemble.penalty > 0
        train = run.samples["train"]
        answers = ensemble.answers(method.model, train.gather(ensemble.ids).float())
        losses = cross_entropy(
            answers.transpose(1, 2), train.y[ensemble.ids].expand(6, -1), reduction="none"
        )
        assert losses[ensemble.masks].max() < 0.1
        assert losses[~ensemble.masks].mean() > 1

    def test_no_label_of_what_is_forgotten_is_needed(self) -> None:
        stream = request(gaussians(), GONE, forget_labels=False)
        for kind in (DMDirect, DMM):
            assert lacking(kind(attribution="ridge").declared(), stream) == ()
            assert lacking(kind(attribution="exact").declared(), stream) == ("forget-labels",)


class TestMatching:
    def test_is_adam_on_logits_with_a_rate_that_falls_each_epoch(self, tmp_path: Path) -> None:
        """The algorithm by hand, all samples in one batch: order does not matter then."""
        matching = {"epochs": 3, "lr": 0.02, "forget_multiplier": 2, "retain_multiplier": 100}
        run = forgetting(tmp_path, OracleMatching, gaussians(), GONE, **LINEAR, matching=matching)
        original = learnt(run)
        found, _ = forgotten(run, original)
        oracle = forgotten(forgetting(tmp_path, Retrain, gaussians(), GONE, **LINEAR), original)[0]
        (x, _), (kept, _) = (samples(run, forget=gone) for gone in (True, False))
        inputs = torch.cat([x, x, kept])
        network = copy.deepcopy(original.model)
        optimiser = torch.optim.Adam(network.parameters(), lr=0.02)
        for epoch in range(3):
            optimiser.param_groups[0]["lr"] = 0.02 * 0.95**epoch
            optimiser.zero_grad()
            mse_loss(network(inputs), oracle.predict(inputs)).backward()
            optimiser.step()
        assert torch.allclose(found.predict(inputs), network(inputs), atol=1e-4)

    @pytest.mark.parametrize(("multiplier", "count"), [(0, 0), (3, 21), (100, 73)])
    def test_it_is_on_a_subset_of_what_is_retained(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multiplier: float, count: int
    ) -> None:
        shown: list[Tensor] = []
        served = View.rehearse

        def noting(view: View, raw: Tensor, *rest: Any) -> Any:
            shown.append(raw)
            return served(view, raw, *rest)

        monkeypatch.setattr(View, "rehearse", noting)
        run = forgetting(
            tmp_path, DMM, gaussians(), GONE, **LINEAR, matching={"retain_multiplier": multiplier}
        )
        forgotten(run, learnt(run))
        assert len(shown[0]) == len(GONE) + count
        assert len(shown[0].unique(dim=0)) == len(shown[0])

    def test_the_last_of_several_forecasts_is_from_the_original(self, tmp_path: Path) -> None:
        run = forgetting(tmp_path, DMM, gaussians(), GONE, **LINEAR)
        original = learnt(run)
        found, _ = forgotten(run, original)
        assert same(dict(found.original.state_dict()), dict(original.model.state_dict()))  # type: ignore[attr-defined]
        assert not same(weights(found), weights(original))


@pytest.mark.parametrize("kind", METHODS)
def test_a_request_for_nothing_changes_nothing(tmp_path: Path, kind: type[Method]) -> None:
    run = forgetting(tmp_path, kind, gaussians(), [], **LINEAR)
    original = learnt(run)
    assert state.pack(forgotten(run, original)[0].state()) == state.pack(original.state())


def on_digits(folder: Path, kind: type[Method], seed: int, **given: Any) -> tuple[Any, Any, float]:
    """Margins of the threes before and after they are forgotten; retained accuracy after."""
    run = forgetting(folder / str(seed), kind, digits(), THREES, seed=seed, **MLP, **given)
    original = learnt(run)
    found, _ = forgotten(run, original)
    x, y = samples(run, forget=True)
    kept, labels = samples(run, forget=False)
    accuracy = float((found.predict(kept).argmax(1) == labels).float().mean())
    return margin(original.predict(x), y), margin(found.predict(x), y), accuracy


@pytest.fixture(scope="module")
def oracle(tmp_path_factory: pytest.TempPathFactory) -> Tensor:
    """Mean margins of the threes over three models that never saw them."""
    folder = tmp_path_factory.mktemp("oracles")
    return torch.stack([on_digits(folder, Retrain, seed)[1] for seed in range(3)]).mean(0)


class TestOnDigits:
    """Forgetting the threes: the margins of models that never saw them are far below."""

    MATCHING = Matching(epochs=30, lr=2e-3, forget_multiplier=3).model_dump()

    @pytest.mark.parametrize("kind", [DMDirect, DMM])
    def test_it_lands_closer_to_the_oracle_than_doing_nothing(
        self, tmp_path: Path, oracle: Tensor, kind: type[Method]
    ) -> None:
        given = {"matching": self.MATCHING} if kind is DMM else {}
        before, after, accuracy = on_digits(tmp_path, kind, 5, **given)
        assert (after - oracle).abs().mean() < 0.7 * (before - oracle).abs().mean()
        assert accuracy > 0.85

    def test_a_real_oracle_is_matched_better(self, tmp_path: Path, oracle: Tensor) -> None:
        gaps = {}
        for kind in (DMM, OracleMatching):
            _, after, _ = on_digits(tmp_path, kind, 5, matching=self.MATCHING)
            gaps[kind] = float((after - oracle).abs().mean())
        assert gaps[OracleMatching] < gaps[DMM]


def test_the_cost_of_subset_models_is_in_the_learn_update(tmp_path: Path) -> None:
    """Sixteen models of half of the samples: eight times the plain training, and itself."""
    flops = []
    for kind, given in ((OracleMatching, {}), (DMDirect, {"attribution": "ridge", "models": 16})):
        run = forgetting(tmp_path, kind, gaussians(), GONE, **LINEAR, **given)
        meter = FlopMeter()
        run.update(run.built(), 1, meter)
        flops.append(meter.total)
    assert 9 <= flops[1] / flops[0] < 9.1
