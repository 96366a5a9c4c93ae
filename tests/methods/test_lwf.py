"""LwF: the model before the update teaches, and is itself not taught."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from clbench import state
from clbench.cost import FlopMeter
from clbench.method import Method, Space
from clbench.model.losses import distillation
from clbench.play import Run
from clbench_methods import lwf
from clbench_methods.finetune import Finetune
from clbench_methods.lwf import LwF
from living import begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


class Normalised(LwF):
    """With BatchNorm, whose running statistics would betray a teacher in train mode."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))


def runs(folder: Path, kind: type[Method], epochs: int = 4, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def test_without_strength_it_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    one, two = runs(tmp_path, LwF, strength=0), runs(tmp_path, Finetune)
    for method, plain in zip(versions(one), versions(two), strict=True):
        assert same(weights(method), weights(plain))


def test_the_first_update_has_no_teacher(tmp_path: Path) -> None:
    one = next(versions(runs(tmp_path, LwF, strength=50)))
    assert same(weights(one), weights(next(versions(runs(tmp_path, Finetune)))))


@pytest.mark.parametrize("kind", [LwF, Normalised])
def test_the_teacher_is_the_old_model_and_stays_it(
    tmp_path: Path, kind: type[LwF], monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[Tensor] = []

    def recording(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        assert student.shape == teacher.shape
        assert not teacher.requires_grad
        taught.append(teacher)
        return student.sum() * 0

    run = runs(tmp_path, kind, training={"batch_size": 40})  # one batch an epoch
    old = next(versions(run))
    x, _ = data(run, 2)
    expected = old.predict(x)
    monkeypatch.setattr(lwf, "distillation", recording)
    method = run.rebuilt(state.pack(old.state()))
    run.update(method, 2, FlopMeter())

    assert not torch.allclose(method.predict(x)[:, :2], expected)
    assert len(taught) == 4
    for each in taught:  # epochs shuffle
        torch.testing.assert_close(each[each[:, 0].argsort()], expected[expected[:, 0].argsort()])


def test_a_teacher_keeps_old_answers_better(tmp_path: Path) -> None:
    moved = []
    for strength in (0, 1):
        run = runs(tmp_path, LwF, epochs=20, strength=strength)
        x, _ = data(run, 2)
        first, second = (method.predict(x)[:, :2] for method in versions(run))
        moved.append(float(distillation(second, first, 2.0)))
    assert moved[1] < moved[0] / 2
