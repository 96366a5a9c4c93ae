"""PredKD and FeatKD: new classes by themselves, old answers or old features held."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, one_hot

from clbench.method import Method
from clbench.model.losses import sigmoid_cross_entropy, sigmoid_distillation
from clbench.play import Run
from clbench.seeds import derive
from clbench_methods.finetune import Finetune
from clbench_methods.l2 import L2
from clbench_methods.rehearsal_free import FeatKD, PredKD
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}
WHOLE = {"training": {"batch_size": 40, "lr": 0.05}}  # a step an epoch


def runs(folder: Path, kind: type[Method], epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def binary(logits: Tensor, targets: Tensor) -> Tensor:
    """- t log s(z) - (1 - t) log(1 - s(z)), summed over classes, mean over the batch."""
    p = logits.sigmoid()
    return -(targets * p.log() + (1 - targets) * (1 - p).log()).sum(1).mean()


@pytest.mark.parametrize("given", [{"form": "softmax"}, {}], ids=["pred", "feat"])
def test_without_strength_it_is_training_on_the_new_classes_alone(
    tmp_path: Path, given: dict[str, Any]
) -> None:
    """As L2 is without strength: the same local cross-entropy, nothing held."""
    kind = PredKD if given else FeatKD
    one = versions(runs(tmp_path, kind, strength=0, **given))
    for method, plain in zip(one, versions(runs(tmp_path, L2, strength=0)), strict=True):
        assert same(weights(method), weights(plain))


@pytest.mark.parametrize("given", [{"form": "softmax"}, {}], ids=["pred", "feat"])
def test_the_first_update_has_no_teacher(tmp_path: Path, given: dict[str, Any]) -> None:
    kind = PredKD if given else FeatKD
    one = next(versions(runs(tmp_path, kind, strength=50, **given)))
    plain = next(versions(runs(tmp_path, Finetune)))
    assert_close(weights(one), weights(plain), rtol=1e-5, atol=1e-6)


class TestSigmoidLosses:
    def test_new_classes_against_the_formula(self) -> None:
        torch.manual_seed(0)
        logits, y = torch.randn(6, 5, requires_grad=True), torch.tensor([3, 4, 3, 3, 4, 4])
        found = sigmoid_cross_entropy(logits, y, torch.tensor([3, 4]))
        torch.testing.assert_close(found, binary(logits[:, 3:], one_hot(y, 5)[:, 3:].float()))
        found.backward()
        assert logits.grad is not None
        assert not logits.grad[:, :3].any()

    def test_old_answers_against_the_formula(self) -> None:
        torch.manual_seed(0)
        student, teacher = torch.randn(2, 6, 4)
        expected = binary(student, teacher.sigmoid())
        torch.testing.assert_close(sigmoid_distillation(student, teacher), expected)

    def test_its_gradient_vanishes_where_student_and_teacher_agree(self) -> None:
        teacher = torch.randn(6, 4)
        student = teacher.clone().requires_grad_()
        sigmoid_distillation(student, teacher).backward()
        assert student.grad is not None
        assert float(student.grad.abs().max()) < 1e-7


def by_hand(first: Method, run: Run, loss: Any) -> dict[str, Tensor]:
    """Weights after two steps down a loss(old, new, x, y) on all data of the second update."""
    teacher, model, (x, y) = first.model.frozen_copy(), first.model, data(run, 2)
    torch.manual_seed(derive(0, "update", 2))  # which draws the new rows of the head
    model.grow(4)
    for _ in range(2):
        model.zero_grad()
        loss(teacher, model, x, y).backward()
        for p in model.parameters():
            p.data -= 0.05 * p.grad
    return {name: p.detach() for name, p in model.named_parameters()}


def test_sigmoid_steps_follow_their_loss(tmp_path: Path) -> None:
    run = runs(tmp_path, PredKD, epochs=2, strength=0.5, **WHOLE)
    first, second = versions(run)

    def loss(teacher: Any, model: Any, x: Tensor, y: Tensor) -> Tensor:
        logits = model(x)
        new = binary(logits[:, 2:], one_hot(y, 4)[:, 2:].float())
        return new + 0.5 * binary(logits[:, :2], teacher(x).sigmoid())

    assert_close(weights(second), by_hand(first, run, loss), rtol=1e-4, atol=1e-6)


def test_feature_steps_follow_their_loss(tmp_path: Path) -> None:
    run = runs(tmp_path, FeatKD, epochs=2, strength=0.5, **WHOLE)
    first, second = versions(run)

    def loss(teacher: Any, model: Any, x: Tensor, y: Tensor) -> Tensor:
        apart = (model.embed(x) - teacher.embed(x)).square().mean()
        return cross_entropy(model(x)[:, 2:], y - 2) + 0.5 * apart

    assert_close(weights(second), by_hand(first, run, loss), rtol=1e-4, atol=1e-6)


def test_a_teacher_keeps_old_answers_and_features_better(tmp_path: Path) -> None:
    for kind, strong in ((PredKD, 1.0), (FeatKD, 10.0)):
        moved = []
        for strength in (0.0, strong):
            run = runs(tmp_path, kind, epochs=20, strength=strength)
            x, _ = data(run, 2)
            first, second = versions(run)
            asked = "predict" if kind is PredKD else "embed"
            old, new = getattr(first, asked)(x), getattr(second, asked)(x)
            moved.append(float((new[:, : old.shape[1]] - old).square().mean()))
        assert moved[1] < moved[0] / 2
