"""GDumb: a balanced memory, and a model that knows nothing else."""

from collections import Counter
from pathlib import Path

import pytest
import torch

from clbench import state
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench_methods import gdumb
from clbench_methods.gdumb import GDumb
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8", "passes": 3}


def test_an_update_starts_anew_whatever_was_learned_before(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, GDumb, stream_of(source), source, **SMALL)
    *_, expected = versions(run)
    spoiled = next(versions(run))
    with torch.no_grad():
        for p in spoiled.model.parameters():
            p.normal_()
    again = run.rebuilt(state.pack(spoiled.state()))
    run.update(again, 2, FlopMeter())
    assert same(weights(again), weights(expected))


@pytest.mark.parametrize("epochs", [1, 3])
def test_each_sample_is_offered_once_and_trained_on_from_memory_alone(
    tmp_path: Path, epochs: int
) -> None:
    source = gaussians()
    given = SMALL | {"buffer": 12, "training": {"batch_size": 5}}
    run = begun(tmp_path, GDumb, stream_of(source, epochs=epochs), source, **given)
    for version, method in enumerate(versions(run), start=1):
        counts = Counter(method.memory.y.tolist())
        assert dict(counts) == dict.fromkeys(range(2 * version), 12 // (2 * version))
    meter = FlopMeter()
    run.update(run.built(), 1, meter)
    # 8 batches of 40 new samples are offered; one more is drawn where a second epoch begins.
    assert meter.steps == 8 + (epochs > 1) + 3 * 3
    assert meter.samples == 40 + 5 * (epochs > 1) + 3 * 12


def test_the_memory_of_a_run_in_two_processes_is_the_same(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, GDumb, stream_of(source), source, buffer=12, **SMALL)
    *_, expected = versions(run)
    again = run.rebuilt(state.pack(next(versions(run)).state()))
    run.update(again, 2, FlopMeter())
    assert torch.equal(again.memory.x, expected.memory.x)


def test_mixed_images_count_for_both_labels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where all is pasted and the other label is the same, nothing changes but the draws."""
    source = gaussians()
    run = begun(tmp_path, GDumb, stream_of(source), source, cutmix=1, **SMALL)
    generator = torch.Generator().manual_seed(0)
    method = next(versions(run))
    x, y = data(run, 1)
    for share in (0.0, 0.25, 1.0):
        monkeypatch.setattr(gdumb, "cutmix", lambda x, y, g, share=share: (x, 1 - y, share))
        method.cutmix = 0.0
        one, two = (float(method._loss(x, labels, generator).detach()) for labels in (y, 1 - y))
        method.cutmix = 1.0
        mixed = float(method._loss(x, y, generator).detach())
        assert mixed == pytest.approx(share * one + (1 - share) * two, rel=1e-5)


def test_it_learns_all_classes_alike(tmp_path: Path) -> None:
    source = gaussians()
    given = {"backbone": "mlp,width=8", "passes": 60}
    *_, last = versions(begun(tmp_path, GDumb, stream_of(source), source, **given))
    for version in (1, 2):
        x, y = data(begun(tmp_path, GDumb, stream_of(source), source), version)
        assert float((last.predict(x).argmax(1) == y).float().mean()) > 0.8


def test_a_memory_below_a_sample_a_class_is_refused_before_training(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, GDumb, stream_of(source), source, buffer=3, **SMALL)
    method = run.rebuilt(state.pack(next(versions(run)).state()))
    with pytest.raises(ClbenchError, match="3 samples cannot hold one of each of 4 classes"):
        run.update(method, 2, FlopMeter())
    assert len(method.memory) == 3
