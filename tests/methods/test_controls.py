"""Controls: nothing is learned, or nothing is read; each is calibrated by what it must answer."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.neighbors import NearestCentroid

from clbench import state
from clbench.cost import FlopMeter
from clbench.method import Method, Network, evaluating
from clbench.play import Run
from clbench.seeds import derive
from clbench.source.base import Source
from clbench.stream import Update
from clbench_methods.do_nothing import DoNothing
from clbench_methods.finetune import Finetune
from clbench_methods.majority import Majority
from clbench_methods.random_features import RandomFeatures, untrained
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Method], source: Source | None = None, **given: Any) -> Run:
    source = source or gaussians()
    return begun(folder, kind, stream_of(source, epochs=3), source, **given)


class TestDoNothing:
    def test_the_first_update_is_finetuning(self, tmp_path: Path) -> None:
        one = next(versions(runs(tmp_path, DoNothing, **SMALL)))
        assert same(weights(one), weights(next(versions(runs(tmp_path, Finetune, **SMALL)))))

    def test_later_updates_change_no_weight_and_no_old_logit(self, tmp_path: Path) -> None:
        run = runs(tmp_path, DoNothing, **SMALL)
        first, second = versions(run)
        assert same(weights(first), weights(second))
        for version in (1, 2):
            x, _ = data(run, version)
            assert torch.equal(second.predict(x)[:, :2], first.predict(x))
            assert torch.equal(second.embed(x), first.embed(x))

    def test_later_classes_have_a_logit_and_are_never_predicted(self, tmp_path: Path) -> None:
        run = runs(tmp_path, DoNothing, **SMALL)
        first, second = versions(run)
        x, _ = data(run, 2)
        logits = second.predict(x)
        assert logits.shape == (40, 4)
        assert torch.equal(logits[:, 2], logits[:, :2].amin(1))
        assert torch.equal(logits.argmax(1), first.predict(x).argmax(1))

    def test_one_known_class_is_always_predicted(self, tmp_path: Path) -> None:
        source = gaussians()
        run = begun(tmp_path, DoNothing, stream_of(source, 1, epochs=1), source, **SMALL)
        *_, last = versions(run)
        x, _ = data(run, 4)
        assert not last.predict(x).argmax(1).any()

    def test_forgetting_keeps_everything(self, tmp_path: Path) -> None:
        run = runs(tmp_path, DoNothing, **SMALL)
        stream = run.stream
        gone = Update(1, "forget", stream.updates[0].samples[:5], stream.updates[0].classes[:0])
        run.stream = replace(stream, updates=(stream.updates[0], gone), evals=stream.evals[:1])
        method = run.built()
        for version in (1, 2):
            run.update(method, version, FlopMeter())
        assert same(weights(method), weights(next(versions(runs(tmp_path, DoNothing, **SMALL)))))


class TestMajority:
    def test_logits_are_log_counts_by_numpy(self, tmp_path: Path) -> None:
        source = gaussians()
        thin = replace(
            stream_of(source),
            updates=tuple(
                replace(u, samples=u.samples[[0, 1, 2, 25, *([26, 27, 28] if u.index else [])]])
                for u in stream_of(source).updates
            ),
        )
        run = begun(tmp_path, Majority, thin, source)
        x = torch.randn(5, 6)
        for version, method in enumerate(versions(run), start=1):
            y = run.labels["train"][np.concatenate([u.samples for u in thin.updates[:version]])]
            counts = np.bincount(y)
            probabilities = method.predict(x).softmax(1).numpy()
            assert np.allclose(probabilities, counts / counts.sum())
            assert (method.predict(x).argmax(1).numpy() == counts.argmax()).all()

    def test_of_equals_the_first_answers_whatever_the_input(self, tmp_path: Path) -> None:
        *_, last = versions(runs(tmp_path, Majority))
        assert not last.predict(torch.randn(9, 6)).argmax(1).any()

    def test_a_class_without_samples_has_a_finite_logit(self) -> None:
        method = Majority()
        method.counts = torch.tensor([3, 0])
        assert torch.isfinite(method.predict(torch.zeros(1, 6))).all()

    def test_features_are_the_inputs(self) -> None:
        x = torch.randn(3, 1, 8, 8)
        assert torch.equal(Majority().embed(x), x.reshape(3, 64))


class TestRandomFeatures:
    def test_it_is_nearest_centroid_on_untrained_features(self, tmp_path: Path) -> None:
        run = runs(tmp_path, RandomFeatures, **SMALL)
        *_, last = versions(run)
        torch.manual_seed(derive(0, "build"))
        network = Network(SMALL["backbone"], run.space)
        with evaluating(network):
            parts = [(network.embed(x).double(), y) for x, y in (data(run, 1), data(run, 2))]
        reference = NearestCentroid()
        reference.fit(*(torch.cat(part).numpy() for part in zip(*parts, strict=True)))
        x = torch.randn(50, 6, generator=torch.Generator().manual_seed(0))
        with evaluating(network):
            expected = reference.predict(network.embed(x).double().numpy())
        assert np.array_equal(last.predict(x).argmax(1).numpy(), expected)

    def test_no_weight_of_the_network_is_carried(self, tmp_path: Path) -> None:
        *_, last = versions(runs(tmp_path, RandomFeatures, **SMALL))
        assert sum(state.sizes(last.state()).values()) < 4 * 8 * 8 + 4 * 8 + 500

    def test_pretrained_weights_are_left_out(self) -> None:
        assert untrained("resnet10t,mean_std=half,weights=hub") == "resnet10t,mean_std=half"
        assert untrained("mlp,width=8") == "mlp,width=8"
