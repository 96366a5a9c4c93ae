"""Attributions as stores: against refitted heads and brute force, whole and cut in the middle."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ensembles import HEAD, few_digits, forgetting, job, plain, stream_of
from ensembles import vectors as source
from scipy.stats import spearmanr
from torch.nn.functional import one_hot

from clbench.ensemble import attribution_store
from clbench.ensemble.attribution import Attribution, by_gradients, in_closed_form, regressed
from clbench.ensemble.attribution_store import fields, write_attribution
from clbench.ensemble.closed_form import ridge_heads
from clbench.ensemble.datamodels import lasso_datamodels, random_subsets, ridge_contrast
from clbench.ensemble.job import Job, Room, vectors
from clbench.ensemble.members import plan
from clbench.ensemble.retrained import Retrained, retrained
from clbench.ensemble.ridge_removal import RIDGES
from clbench.ensemble.ridge_store import train_ridge
from clbench.ensemble.store import Spec, Store
from clbench.ensemble.trak import Trak, check_trak, margin, trak_scores
from clbench.errors import ClbenchError
from clbench.lds_table import mean_score
from clbench.model.network import Network
from clbench.source.base import Source

RNG = np.random.default_rng(0)
RIDGE = 2.0
N, M = 40, 60  # training samples, queries


def a_job() -> Job:
    stream, samples = forgetting(), source()
    return job(plan("originals", stream, samples, 1), stream, samples, HEAD)


def ridge_masks(path: Path, count: int = 60, samples: Source | None = None) -> Store:
    """Ridge heads on random halves of the vectors."""
    stream, samples = forgetting(), samples or source()
    found = plan("masks", stream, samples, count)
    return train_ridge(found, job(found, stream, samples, HEAD), RIDGE, {}, path)


def random(k: int = 30) -> Retrained:
    """Margins that owe something to each sample, and noise."""
    masks = random_subsets(N, k, 0.5, 0)
    return Retrained(masks, masks @ RNG.normal(size=(N, M)) + RNG.normal(size=(k, M)))


def head_without(i: int | None) -> tuple[np.ndarray, np.ndarray]:
    """Margins [n], [m] of the ridge head that is fitted to all samples but one."""
    (x, y), (test, labels) = (vectors(part, "cpu") for part in (a_job().train, a_job().test))
    mask = np.ones((1, N), bool)
    if i is not None:
        mask[0, i] = False
    ((w, b),) = ridge_heads(x, one_hot(y, 4).double(), mask, RIDGE)
    return tuple(margin(q @ w[0].T + b[0], c).numpy() for q, c in ((x, y), (test, labels)))  # type: ignore[return-value]


def test_images_are_flat_vectors_as_networks_take_them() -> None:
    samples = few_digits()
    stream = stream_of(samples)
    work = job(plan("originals", stream, samples, 1), stream, samples, HEAD)
    x, y = vectors(work.train, "cpu")
    expected = samples.train.x[work.train.asked].reshape(100, 64) / 255
    assert np.allclose(x.numpy(), expected, atol=1e-7)
    assert np.array_equal(y.numpy(), work.train.y[work.train.asked])
    assert in_closed_form(work, RIDGE).scores(slice(98, 104)).shape == (100, 6)


class TestExact:
    def test_scores_are_what_margins_lose_when_the_head_is_fitted_without_a_sample(self) -> None:
        scores = in_closed_form(a_job(), RIDGE).scores(slice(0, M))
        assert scores.shape == (N, M)
        whole = np.concatenate(head_without(None))
        for i in (0, 7, 39):
            assert np.allclose(scores[i], whole - np.concatenate(head_without(i)), atol=1e-10)

    def test_any_part_of_the_queries_is_that_part_of_all(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = in_closed_form(a_job(), RIDGE).scores(slice(0, M))
        monkeypatch.setattr("clbench.ensemble.attribution.NUMBERS", 3 * N * 4)
        found = in_closed_form(a_job(), RIDGE).scores(slice(35, 50))
        assert np.allclose(found, whole[:, 35:50])

    def test_it_ranks_ridge_heads_of_halves_nearly_as_they_are(self, tmp_path: Path) -> None:
        """Not exactly: what two samples add together is not the sum of what each adds."""
        found = retrained(ridge_masks(tmp_path))
        lds = scored(tmp_path / "a", lambda: in_closed_form(a_job(), RIDGE), found).read("lds")
        assert 0.8 < np.mean(lds) < 1
        shuffled = in_closed_form(a_job(), RIDGE).scores(slice(0, M))[RNG.permutation(N)]
        wrong = Attribution(lambda some: shuffled[:, some], RIDGE)
        assert abs(np.mean(scored(tmp_path / "b", lambda: wrong, found).read("lds"))) < 0.3

    def test_a_ridge_is_chosen_where_none_is_given(self) -> None:
        chosen = in_closed_form(a_job(), None)
        assert chosen.penalty in RIDGES
        expected = in_closed_form(a_job(), chosen.penalty).scores(slice(0, 3))
        assert np.array_equal(chosen.scores(slice(0, 3)), expected)


class TestRegression:
    def test_a_sum_of_ridge_scores_is_the_combination_of_models_that_dm_direct_takes(self) -> None:
        found = random()
        masks, margins = found.masks[~found.held], found.margins[~found.held]
        attribution, gone = regressed("ridge", found), np.arange(N) < 9
        expected = ridge_contrast(masks, gone, attribution.penalty) @ margins
        assert np.allclose(attribution.scores(slice(0, M))[gone].sum(0), expected)

    def test_lasso_scores_are_its_weights(self) -> None:
        found = random()
        masks, margins = found.masks[~found.held], found.margins[~found.held, :, None]
        attribution = regressed("lasso", found)
        expected = lasso_datamodels(masks, margins[:, 20:30], attribution.penalty)
        assert np.array_equal(attribution.scores(slice(20, 30)), expected.weights[:, :, 0])

    @pytest.mark.parametrize("by", ["ridge", "lasso"])
    def test_nothing_is_fitted_to_models_that_are_held_out(self, by: Any) -> None:
        found = random()
        other = found.margins.copy()
        other[found.held] = RNG.normal(size=other[found.held].shape)
        one, two = (regressed(by, Retrained(found.masks, m)) for m in (found.margins, other))
        assert one.penalty == two.penalty
        assert np.array_equal(one.scores(slice(0, 9)), two.scores(slice(0, 9)))
        assert found.held.sum() == 6


class TestGradients:
    def models(self, count: int = 2) -> list[Network]:
        room = Room(a_job())
        found = []
        for member in plan("originals", forgetting(), source(), count).members:
            network = Network("identity", room.space)
            network.load_state_dict(plain(room, member))
            found.append(network)
        return found

    def test_scores_are_those_of_trak_of_training_then_of_test_samples(self) -> None:
        options: dict[str, Any] = {"dimensions": 20, "damping": 0.5}
        found = by_gradients(a_job(), self.models(), **options).scores(slice(30, 55))
        work = a_job()
        x, y = (torch.from_numpy(each[work.train.asked]) for each in (work.train.x, work.train.y))
        test, labels = (torch.from_numpy(e[work.test.asked]) for e in (work.test.x, work.test.y))
        queries, asked = torch.cat([x[30:], test[:15]]), torch.cat([y[30:], labels[:15]])
        expected = trak_scores(self.models(), (x, y), queries, asked, **options, weighted=True)
        assert np.allclose(found, expected[:, :, 0].numpy())

    def test_several_models_are_the_mean(self) -> None:
        """What is kept of each model belongs to it: the order of models does not matter."""
        options: dict[str, Any] = {"dimensions": 10_000, "damping": 0.5}
        one, two = (
            by_gradients(a_job(), models, **options).scores(slice(0, 4))
            for models in (self.models(), self.models()[::-1])
        )
        assert np.allclose(one, two)

    def test_more_than_fits_is_refused_before_any_gradient(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("clbench.ensemble.trak.ROOM", 2 * N * 8 * 12)
        (model, other), x = self.models(), torch.zeros(N, 6)
        check_trak([model, other], N, 12, 0.0)
        with pytest.raises(ClbenchError, match=r"2 models with 13 dimensions .*; use 12 dim"):
            Trak([model, other], (x, x), dimensions=13, damping=0.1, weighted=True)

    def test_more_dimensions_than_samples_need_damping(self) -> None:
        with pytest.raises(ClbenchError, match="28 dimensions cannot be inverted; set damping"):
            check_trak(self.models(), 27, 512, 0.0)
        check_trak(self.models(), 28, 512, 0.0)


def scored(
    path: Path,
    attribute: Callable[[], Attribution],
    found: Retrained,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    spec = Spec(identity={"attribution": "any"}, fields=fields(N))
    return write_attribution(path, spec, attribute, found, {"train": np.arange(N)}, on_rows)


class TestStore:
    FOUND = random()

    def given(self) -> Attribution:
        return regressed("ridge", self.FOUND)

    def test_has_a_row_a_query_with_its_score_on_the_models_held_out(self, tmp_path: Path) -> None:
        store = scored(tmp_path, self.given, self.FOUND)
        scores, lds = store.read("scores"), store.read("lds")
        assert scores.shape == (M, N)
        assert scores.dtype == np.float32
        held = self.FOUND.held
        for j in (0, 59):
            sums = self.FOUND.masks[held] @ scores[j].astype(float)
            assert lds[j] == pytest.approx(spearmanr(sums, self.FOUND.margins[held, j]).statistic)
        assert store.completed.all()
        assert (store.read("penalty") == self.given().penalty).all()
        assert (store.read("seconds") > 0).all()

    def test_cut_off_in_the_middle_it_goes_on_with_what_is_missing(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(attribution_store, "AT_A_TIME", 25)

        def cut(done: int, total: int) -> None:
            if done == 50:
                raise KeyboardInterrupt

        asked: list[slice] = []

        def noting() -> Attribution:
            made = self.given()
            return Attribution(lambda some: asked.append(some) or made.scores(some), made.penalty)  # type: ignore[func-returns-value]

        with pytest.raises(KeyboardInterrupt):
            scored(tmp_path / "cut", self.given, self.FOUND, cut)
        assert Store(tmp_path / "cut").completed.sum() == 50
        store = scored(tmp_path / "cut", noting, self.FOUND)
        assert asked == [slice(50, 60)]
        whole = scored(tmp_path / "whole", self.given, self.FOUND)
        for name in ("scores", "lds", "penalty"):
            assert np.array_equal(store.read(name), whole.read(name))

    def test_a_whole_one_is_left_alone(self, tmp_path: Path) -> None:
        scored(tmp_path, self.given, self.FOUND)
        told: list[int] = []
        scored(
            tmp_path,
            lambda: pytest.fail("attributed again"),
            self.FOUND,
            lambda done, total: told.append(done),
        )
        assert told == [M]

    def test_a_query_that_does_not_vary_has_no_score(self, tmp_path: Path) -> None:
        margins = self.FOUND.margins.copy()
        margins[:, 4] = 1.0
        lds = scored(tmp_path, self.given, Retrained(self.FOUND.masks, margins)).read("lds")
        assert np.flatnonzero(np.isnan(lds)).tolist() == [4]


class TestMean:
    def test_is_over_queries_that_have_a_score_and_counts_the_others(self) -> None:
        found = mean_score(np.array([0.2, np.nan, 0.4, 0.6]))
        assert (found.queries, found.undefined) == (4, 1)
        assert found.mean == pytest.approx(0.4)
        assert (
            found.text == "0.400 ± 0.497 (1 of 4 undefined)"
        )  # t of 2 degrees: 4.303 * 0.2 / 3^.5

    def test_of_none_is_not_measured_and_is_not_0(self) -> None:
        found = mean_score(np.full(3, np.nan))
        assert (found.mean, found.undefined) == (None, 3)
        assert found.text.startswith("not measured")
