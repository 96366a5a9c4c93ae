"""SLCA: the backbone moves slowly, the head locally, and then all of it is aligned."""

from pathlib import Path
from typing import Any

import pytest
import torch

from clbench import state
from clbench.cost import FlopMeter
from clbench.play import Run
from clbench_methods.finetune import Finetune
from clbench_methods.slca import SLCA
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8", "samples": 32}


def runs(folder: Path, epochs: int = 2, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, SLCA, stream_of(source, epochs=epochs), source, **SMALL | given)


def test_at_rate_0_the_backbone_stays(tmp_path: Path) -> None:
    run = runs(tmp_path, slow=0)
    start = {name: p for name, p in weights(run.built()).items() if "backbone" in name}
    for method in versions(run):
        after = {name: p for name, p in weights(method).items() if "backbone" in name}
        assert same(after, start)


def test_without_alignment_training_on_new_classes_leaves_old_rows_of_the_head(
    tmp_path: Path,
) -> None:
    run = runs(tmp_path, alignment=0, training={"weight_decay": 0.0})
    first, second = versions(run)
    assert torch.equal(second.model.head.weight[:2], first.model.head.weight)
    assert not torch.equal(second.model.head.weight[2:], run.built().model.head.weight[2:])


def test_alignment_moves_the_head_alone(tmp_path: Path) -> None:
    given = {"training": {"weight_decay": 0.0}}
    plain, aligned = next(versions(runs(tmp_path, alignment=0, **given))), None
    aligned = next(versions(runs(tmp_path, alignment=5, **given)))
    for name, p in weights(aligned).items():
        assert torch.equal(p, weights(plain)[name]) != name.startswith("head")


def test_the_gaussians_are_those_of_the_features_after_the_update(tmp_path: Path) -> None:
    run = runs(tmp_path)
    for version, method in enumerate(versions(run), start=1):
        x, y = data(run, version)
        features = method.embed(x)
        for c in y.unique():
            own = features[y == c]
            torch.testing.assert_close(method.gaussians.means[c], own.mean(0))
            factor = method.gaussians.factors[c]
            expected = own.T.cov() + 1e-4 * torch.eye(8)
            torch.testing.assert_close(factor @ factor.T, expected, rtol=1e-3, atol=1e-5)


def test_a_covariance_is_factored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Public code factors every class's again in each epoch of alignment."""
    cholesky, factored = torch.linalg.cholesky, []
    monkeypatch.setattr(torch.linalg, "cholesky", lambda a: factored.append(1) or cholesky(a))
    assert len(list(versions(runs(tmp_path)))) == 2
    assert len(factored) == 4


def test_it_forgets_less_than_finetuning(tmp_path: Path) -> None:
    source, kept = gaussians(), {}
    for kind in (SLCA, Finetune):
        given = {"backbone": "mlp,width=32"}
        *_, last = versions(begun(tmp_path, kind, stream_of(source, epochs=20), source, **given))
        x, y = data(begun(tmp_path, kind, stream_of(source, epochs=20), source, **given), 1)
        kept[kind] = float((last.predict(x).argmax(1) == y).float().mean())
    assert kept[SLCA] > kept[Finetune] + 0.5


def test_old_classes_that_come_again_are_learned_with_the_new(tmp_path: Path) -> None:
    run = runs(tmp_path)
    *_, method = versions(run)
    again = run.rebuilt(state.pack(method.state()))
    run.update(again, 1, FlopMeter())
    assert not same(weights(again), weights(method))
