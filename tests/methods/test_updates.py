"""Methods whose model is replaced: what the newer version starts from, and what it owes the old."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from clbench import state
from clbench.archive import differences
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model.losses import (
    distillation,
    focal_distillation,
    logit_difference,
    softened_divergence,
    top_logit_difference,
)
from clbench.play import play
from clbench.possible import check_plays
from clbench.settings import Settings
from clbench.stream import Protocol
from clbench_methods import bct, elodi
from clbench_methods.averaging import Averaging
from clbench_methods.bct import BCT
from clbench_methods.dsimplex import DSimplex
from clbench_methods.elodi import ELODI
from clbench_methods.finetune import Finetune
from clbench_methods.no_treatment import NoTreatment
from clbench_methods.pct import PCT
from clbench_scenarios.replacement import replacement
from living import begun, data, gaussians, same, stream_of, versions, weights
from replacing import SMALL, replacing

DEEPER = {"backbones": "mlp,width=8,depth=3"}
ANEW: list[tuple[type[Method], dict[str, Any]]] = [
    (NoTreatment, {}),
    (PCT, {}),
    (ELODI, {"members": 2}),
    (BCT, {}),
    (DSimplex, {"vertices": 6}),
]


class TestFocalDistillation:
    """Against the formula of 2011.09161, sample by sample."""

    new, old = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    right = torch.tensor([True, False, True, True, False, False])

    def test_by_a_plain_loop(self) -> None:
        total = 0.0
        for n, o, r in zip(self.new, self.old, self.right, strict=True):
            p, q = (o / 5).softmax(0), (n / 5).softmax(0)
            kl = sum(float(a) * math.log(float(a) / float(b)) for a, b in zip(p, q, strict=True))
            total += (1 + 5 * bool(r)) * kl
        found = focal_distillation(
            self.new, self.old, self.right, 1, 5, lambda n, o: softened_divergence(n, o, 5)
        )
        assert float(found) == pytest.approx(total / 6, rel=1e-4)

    def test_without_focus_it_is_distillation(self) -> None:
        plain = focal_distillation(
            self.new, self.old, self.right, 1, 0, lambda n, o: softened_divergence(n, o, 3)
        )
        torch.testing.assert_close(9 * plain, distillation(self.new, self.old, 3))

    def test_without_base_only_what_the_old_model_knew_counts(self) -> None:
        focal = focal_distillation(self.new, self.old, self.right, 0, 1, logit_difference)
        expected = logit_difference(self.new, self.old)[self.right].sum() / 6
        torch.testing.assert_close(focal, expected)

    def test_logits_differ_by_half_their_mean_square(self) -> None:
        one, two = torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 5.0]])
        assert logit_difference(one, two).tolist() == [9 / 4]

    def test_of_top_logits_the_teachers_count(self) -> None:
        teacher, student = torch.tensor([[3.0, 2.0, 0.0]]), torch.tensor([[3.0, 0.0, 9.0]])
        assert top_logit_difference(student, teacher, 2).tolist() == [1.0]
        torch.testing.assert_close(
            top_logit_difference(student, teacher, 10), logit_difference(student, teacher)
        )


class TestStartingAnew:
    @pytest.mark.parametrize(("kind", "given"), ANEW)
    def test_another_backbone_takes_over_and_is_carried(
        self, tmp_path: Path, kind: type[Method], given: dict[str, Any]
    ) -> None:
        run = replacing(tmp_path, kind, classes=(2, 4), **DEEPER, **given)
        old, new = versions(run)
        x, _ = data(run, 2)
        assert (len(old.model.backbone.body), len(new.model.backbone.body)) == (5, 7)
        assert (old.predict(x).shape[1], new.predict(x).shape[1]) == (2, 4)

    def test_each_version_starts_from_weights_of_its_own(self, tmp_path: Path) -> None:
        run = replacing(tmp_path, NoTreatment, shares=(1.0, 1.0, 1.0), training={"lr": 1e-9})
        first, second, third = (weights(m)["backbone.body.1.weight"] for m in versions(run))
        assert not torch.allclose(first, second, atol=0.01)
        assert not torch.allclose(second, third, atol=0.01)

    def test_the_last_backbone_stays(self, tmp_path: Path) -> None:
        run = replacing(tmp_path, NoTreatment, shares=(1.0,) * 3, epochs=1, **DEEPER)
        assert [len(m.model.backbone.body) for m in versions(run)] == [5, 7, 7]

    def test_a_backbone_that_cannot_be_is_refused_before_training(self, tmp_path: Path) -> None:
        run = replacing(tmp_path, NoTreatment, backbones="convnet")
        with pytest.raises(ClbenchError, match="convnet needs images"):
            run.built()

    @pytest.mark.parametrize("kind", [PCT, BCT])
    def test_without_strength_there_is_no_treatment(
        self, tmp_path: Path, kind: type[Method]
    ) -> None:
        one = replacing(tmp_path, kind, strength=0)
        plain = replacing(tmp_path, NoTreatment)
        for method, other in zip(versions(one), versions(plain), strict=True):
            assert same(weights(method), weights(other))


class TestNoTreatment:
    def test_learning_is_finetuning_to_the_last_bit(self, tmp_path: Path) -> None:
        source = gaussians()
        stream = stream_of(source, epochs=2)
        for one, two in zip(
            versions(begun(tmp_path, NoTreatment, stream, source, **SMALL)),
            versions(begun(tmp_path, Finetune, stream, source, **SMALL)),
            strict=True,
        ):
            assert same(weights(one), weights(two))


class TestPCT:
    @pytest.mark.parametrize(("distance", "weight"), [("divergence", 5.0), ("logits", 1.0)])
    def test_answers_stay_nearer_to_the_older_models(
        self, tmp_path: Path, distance: str, weight: float
    ) -> None:
        apart = []
        for strength in (0.0, weight):
            run = replacing(tmp_path, PCT, strength=strength, distance=distance, epochs=20)
            old, new = versions(run)
            x, _ = data(run, 2)
            apart.append(float(distillation(new.predict(x), old.predict(x), 5.0)))
        assert apart[1] < apart[0] / 2

    def test_only_classes_that_the_old_model_knows_are_taught(self, tmp_path: Path) -> None:
        *_, new = versions(replacing(tmp_path, PCT, classes=(2, 4), epochs=30))
        run = replacing(tmp_path, PCT, classes=(2, 4), epochs=30)
        x, y = data(run, 2)
        assert float((new.predict(x).argmax(1) == y).float().mean()) > 0.6


class TestELODI:
    def test_the_mean_of_the_members_logits_teaches(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        taught: list[Tensor] = []

        def recording(student: Tensor, teacher: Tensor, k: int) -> Tensor:
            taught.append(teacher)
            return student.sum(1) * 0

        made = []
        monkeypatch.setattr(elodi, "top_logit_difference", recording)
        run = replacing(tmp_path, ELODI, members=3, epochs=1, training={"batch_size": 40})
        method = run.built()
        member = method._member
        monkeypatch.setattr(method, "_member", lambda view: made.append(member(view)) or made[-1])
        run.update(method, 1, FlopMeter())

        x, _ = data(run, 1)
        expected = torch.stack([m(x) for m in made]).mean(0)
        assert not any(same_start(made[0], m) for m in made[1:])
        found, wanted = (each[each[:, 0].argsort()] for each in (taught[0], expected))
        torch.testing.assert_close(found, wanted)

    def test_the_older_model_has_no_part(self, tmp_path: Path) -> None:
        """Public code teaches by it too; by the paper's loss any older model gives the same."""
        run = replacing(tmp_path, ELODI, members=2, epochs=1)
        results = []
        for shift in (0.0, 5.0):
            method = next(versions(run))
            with torch.no_grad():
                method.model.head.bias += shift * torch.arange(4)
            run.update(method, 2, FlopMeter())
            results.append(weights(method))
        assert same(*results)

    def test_versions_are_nearer_to_one_another(self, tmp_path: Path) -> None:
        """Logits of two seeds: the mean of many varies less than one."""
        apart = []
        for kind, given in ((NoTreatment, {}), (ELODI, {"members": 8, "weight": 0.9})):
            run = replacing(tmp_path, kind, shares=(1.0, 1.0), epochs=20, **given)
            old, new = versions(run)
            x, _ = data(run, 2)
            apart.append(float(logit_difference(old.predict(x), new.predict(x)).mean()))
        assert apart[1] < apart[0]


class TestBCT:
    def test_the_old_head_reads_new_features(self, tmp_path: Path) -> None:
        right = []
        for strength in (0.0, 1.0):
            run = replacing(tmp_path, BCT, strength=strength, shares=(1.0, 1.0), epochs=30)
            old, new = versions(run)
            x, y = data(run, 2)
            answers = old.model.head(new.embed(x)).argmax(1)
            right.append(float((answers == y).float().mean()))
        assert right[1] > 0.8 > right[0]

    def test_classes_that_the_old_head_lacks_are_left_to_the_new(self) -> None:
        old = torch.nn.Linear(3, 2)
        network = type("Old", (), {"n_classes": 2, "head": old})
        features, y = torch.randn(4, 3), torch.tensor([0, 3, 1, 2])
        found = bct._influence(network, features, y)
        expected = torch.nn.functional.cross_entropy(old(features[[0, 2]]), y[[0, 2]])
        torch.testing.assert_close(found, expected)
        assert float(bct._influence(network, features, y + 2)) == 0

    def test_features_of_another_width_are_refused(self, tmp_path: Path) -> None:
        run = replacing(tmp_path, BCT, backbones="mlp,width=9")
        with pytest.raises(ClbenchError, match="have 8, 9 dimensions: choose backbones"):
            run.built()


class TestDSimplex:
    def test_features_of_another_backbone_stay_at_the_vertices(self, tmp_path: Path) -> None:
        """Where models are trained apart, an older one's features say nothing of a newer one's."""
        given = {"vertices": 6, "shares": (1.0, 1.0), "epochs": 60, "backbones": "mlp,width=12"}
        run = replacing(tmp_path, DSimplex, **given)
        old, new = versions(run)
        x, y = data(run, 2)
        near = torch.cosine_similarity(old.embed(x), new.embed(x)).mean()
        assert float(near) > 0.7
        assert float((new.predict(x).argmax(1) == y).float().mean()) > 0.8

    def test_the_memory_begins_anew(self, tmp_path: Path) -> None:
        run = replacing(tmp_path, DSimplex, vertices=6, epochs=1)
        assert [m.memory.seen for m in versions(run)] == [40, 80]


class TestAveraging:
    def test_at_0_the_older_model_stays(self, tmp_path: Path) -> None:
        old, new = versions(replacing(tmp_path, Averaging, alpha=0.0))
        assert same(weights(old), weights(new))


def test_those_that_do_not_play_replacement_are_refused() -> None:
    stream = replacement(gaussians(), "s", Protocol(), shares=[0.5, 1.0])
    with pytest.raises(ClbenchError, match="finetune plays learn, but s has updates of kind repla"):
        check_plays(Finetune.card, stream)


def test_a_stream_cannot_begin_with_a_replacement() -> None:
    stream = replacement(gaussians(), "s", Protocol(), shares=[0.5, 1.0])
    with pytest.raises(ClbenchError, match="begins with an update of kind replace, and there is"):
        check_plays(NoTreatment.card, replace(stream, updates=stream.updates[1:]))


def test_a_run_goes_on_from_any_version_with_the_same_bytes(tmp_path: Path) -> None:
    source = gaussians()
    stream = replacement(source, "s", Protocol(epochs=2), shares=[0.5, 1.0, 1.0])
    given = {**SMALL, "backbones": "mlp,width=12; mlp,width=6"}

    def stop(version: int) -> None:
        if version == 2:
            raise InterruptedError

    settings = Settings(threads=1)
    with pytest.raises(InterruptedError):
        play(stream, source, NoTreatment, given, 0, tmp_path / "one", settings, stop)
    one = play(stream, source, NoTreatment, given, 0, tmp_path / "one", settings)
    two = play(stream, source, NoTreatment, given, 0, tmp_path / "two", settings)
    assert not differences(one, two)


def test_a_state_names_the_network_that_it_is_of(tmp_path: Path) -> None:
    run = replacing(tmp_path, NoTreatment, **DEEPER)
    *_, new = versions(run)
    carried = state.pack(new.state())
    assert int(run.rebuilt(carried).state()["model"]["generation"]) == 1


def same_start(one: torch.nn.Module, two: torch.nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
