"""L2: the squared distance to the weights before the update, on all layers or on attention."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model.losses import local_cross_entropy
from clbench.play import Run
from clbench.seeds import derive
from clbench.source.digits import digits
from clbench.stream import Protocol
from clbench_methods.finetune import Finetune
from clbench_methods.l2 import L2
from clbench_scenarios.class_incremental import class_incremental
from living import assert_close, begun, data, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}
VIT = "vit_tiny_patch16_224,img_size=8,patch_size=4,depth=1,embed_dim=12,num_heads=2"


def runs(folder: Path, kind: type[Method], epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


def test_without_strength_it_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    one = versions(runs(tmp_path, L2, strength=0, softmax="all"))
    for method, plain in zip(one, versions(runs(tmp_path, Finetune)), strict=True):
        assert same(weights(method), weights(plain))


def test_the_first_update_has_nothing_to_stay_near(tmp_path: Path) -> None:
    one = next(versions(runs(tmp_path, L2, strength=9, softmax="all")))
    assert same(weights(one), weights(next(versions(runs(tmp_path, Finetune)))))


def test_nothing_but_the_model_is_carried(tmp_path: Path) -> None:
    for method in versions(runs(tmp_path, L2)):
        assert method.state().keys() == {"model"}


@pytest.mark.parametrize("softmax", ["all", "new"])
def test_steps_follow_the_penalised_loss(tmp_path: Path, softmax: str) -> None:
    """Two steps on all data: the penalty is flat at the first and pulls at the second."""
    given = {"training": {"batch_size": 40, "lr": 0.1}, "strength": 0.7, "softmax": softmax}
    run = runs(tmp_path, L2, epochs=2, **given)
    first, second = versions(run)
    anchor, model, (x, y) = weights(first), first.model, data(run, 2)
    torch.manual_seed(derive(0, "update", 2))  # which draws the new rows of the head
    model.grow(4)
    for _ in range(2):
        model.zero_grad()
        logits = model(x)
        alone = (
            cross_entropy(logits[:, 2:], y - 2) if softmax == "new" else cross_entropy(logits, y)
        )
        moved = [p[: len(anchor[n])] - anchor[n] for n, p in model.named_parameters()]
        (alone + 0.7 * torch.cat([m.flatten() for m in moved]).square().sum()).backward()
        for p in model.parameters():
            p.data -= 0.1 * p.grad
    expected = {name: p.detach() for name, p in model.named_parameters()}
    assert_close(weights(second), expected, rtol=1e-4, atol=1e-6)


def test_a_stronger_anchor_moves_less(tmp_path: Path) -> None:
    moved = []
    for strength in (0, 0.3, 3):
        first, second = versions(runs(tmp_path, L2, epochs=10, strength=strength))
        old, new = weights(first), weights(second)
        moved.append(sum(float((new[n][: len(p)] - p).norm()) for n, p in old.items()))
    assert moved[0] > moved[1] > 2 * moved[2]


class TestLocalCrossEntropy:
    def test_the_head_of_old_classes_gets_no_gradient(self) -> None:
        torch.manual_seed(0)
        logits = torch.randn(6, 5, requires_grad=True)
        local_cross_entropy(
            logits, torch.tensor([3, 4, 3, 3, 4, 4]), torch.tensor([3, 4])
        ).backward()
        assert logits.grad is not None
        assert not logits.grad[:, :3].any()
        assert bool((logits.grad[:, 3:] != 0).all())

    def test_it_is_that_of_a_head_of_the_new_classes(self) -> None:
        logits, y = torch.randn(6, 5), torch.tensor([3, 4, 2, 3, 4, 2])
        found = local_cross_entropy(logits, y, torch.tensor([2, 3, 4]))
        torch.testing.assert_close(found, cross_entropy(logits[:, 2:], y - 2))

    def test_an_old_class_that_comes_again_is_in_it(self) -> None:
        logits, y = torch.randn(4, 5), torch.tensor([0, 4, 0, 3])
        found = local_cross_entropy(logits, y, torch.tensor([3, 4]))
        expected = cross_entropy(logits[:, [0, 3, 4]], torch.tensor([0, 2, 0, 1]))
        torch.testing.assert_close(found, expected)


def on_images(folder: Path) -> Run:
    """Attention blocks of a small vision transformer, on four digits that come two by two."""
    source = digits()
    stream = class_incremental(source, "test", Protocol(epochs=1), increment=2, order=[3, 8, 1, 7])
    return begun(folder, L2, stream, source, backbone=VIT, layers="attention")


class TestAttention:
    def test_only_attention_and_head_are_trained(self, tmp_path: Path) -> None:
        run = on_images(tmp_path)
        before = weights(run.built())
        *_, second = versions(run)
        moved = {n for n, p in weights(second).items() if not torch.equal(p, before.get(n, p * 0))}
        assert moved == {n for n in before if ".attn." in n} | {"head.weight", "head.bias"}

    def test_the_head_is_not_held(self, tmp_path: Path) -> None:
        run = on_images(tmp_path)
        method: Any = next(versions(run))
        importance = method._anchor().importance
        assert importance.keys() == {n for n in weights(method) if ".attn." in n}
        assert all(bool((f == 1).all()) for f in importance.values())

    @pytest.mark.parametrize("backbone", ["mlp", "identity"])
    def test_a_backbone_without_is_refused_before_training(
        self, tmp_path: Path, backbone: str
    ) -> None:
        run = runs(tmp_path, L2, backbone=backbone, layers="attention")
        with pytest.raises(
            ClbenchError, match=rf"backbone {backbone} has no attention blocks; cho"
        ):
            run.built()
