"""What is trained of a backbone: the right parameters, and at first the same answers."""

import copy

import pytest
import torch
from torch import nn

from clbench.errors import ClbenchError
from clbench.model.adapters import ADAPTER_WIDTH, BesideMLP, Form, ScaleShift, adapt
from clbench.model.backbone import Backbone, build_backbone
from clbench.spec import parse_spec

VIT = "vit_tiny_patch16_224,img_size=16,patch_size=8,embed_dim=24,depth=2,num_heads=2"
CONVNET = "convnet,width=8,depth=2"


def built(spec: str, shape: tuple[int, ...] = (3, 16, 16)) -> Backbone:
    torch.manual_seed(0)
    return build_backbone(parse_spec(spec), shape).eval()


def trained(backbone: Backbone) -> set[str]:
    return {name for name, p in backbone.named_parameters() if p.requires_grad}


@pytest.mark.parametrize(
    ("spec", "form"),
    [
        *((spec, form) for spec in (VIT, CONVNET, "resnet10t") for form in ("film", "ssf")),
        ("mlp,width=8", "ssf"),
        ("convnext_atto", "ssf"),
        ("mobilenetv3_small_050", "ssf"),
        (VIT, "adapter"),
    ],
)
def test_answers_are_unchanged_at_first_and_every_parameter_matters(spec: str, form: Form) -> None:
    shape = (3, 32, 32) if spec == "convnext_atto" else (3, 16, 16)
    backbone, x = built(spec, shape), torch.rand(2, *shape)
    before = backbone(x)
    names = adapt(backbone, form)
    assert torch.equal(backbone(x), before)
    assert trained(backbone) == set(names)
    with torch.no_grad():
        for name, parameter in backbone.named_parameters():
            if name in names:
                parameter.add_(0.1 * torch.randn_like(parameter))
    backbone(x).square().sum().backward()
    for name, parameter in backbone.named_parameters():
        assert (parameter.grad is not None) == (name in names)
    assert not torch.allclose(backbone(x), before, rtol=1e-3)


def test_full_is_every_parameter() -> None:
    backbone = built(CONVNET)
    assert adapt(backbone, "full") == [name for name, _ in backbone.named_parameters()]


def test_film_is_the_scale_and_shift_of_the_norms() -> None:
    norms = {"body.2", "body.6"}  # convolution, pooling, norm, ReLU, convolution, pooling, ...
    names = adapt(built(CONVNET), "film")
    assert set(names) == {f"{norm}.{part}" for norm in norms for part in ("weight", "bias")}


@pytest.mark.parametrize(
    ("layer", "x"),
    [
        (nn.Linear(3, 4), torch.rand(5, 3)),
        (nn.Linear(3, 4), torch.rand(5, 2, 2, 3)),
        (nn.LayerNorm(3), torch.rand(5, 7, 3)),
        (nn.Conv2d(3, 4, 2), torch.rand(5, 3, 6, 6)),
        (nn.GroupNorm(1, 3), torch.rand(5, 3, 6, 6)),
        (nn.BatchNorm1d(3), torch.rand(5, 3)),
    ],
)
def test_ssf_scales_and_shifts_channels(layer: nn.Module, x: torch.Tensor) -> None:
    module = ScaleShift(layer)
    channels = module.scale.shape[0]
    with torch.no_grad():
        module.scale.copy_(torch.rand(channels))
        module.shift.copy_(torch.rand(channels))
    y = copy.deepcopy(layer)(x)
    axis = 1 if isinstance(layer, nn.Conv2d | nn.GroupNorm) else -1
    by_hand = [y.select(axis, c) * module.scale[c] + module.shift[c] for c in range(channels)]
    torch.testing.assert_close(module(x), torch.stack(by_hand, axis))


def test_the_bottleneck_takes_the_tokens_themselves_beside_the_mlp() -> None:
    norm, mlp, x = nn.LayerNorm(6), nn.Linear(6, 6), torch.randn(2, 3, 6)
    beside = BesideMLP(norm, mlp, 6)
    nn.init.normal_(beside.up.weight)
    bottleneck = (x @ beside.down.weight.T).relu() @ beside.up.weight.T
    torch.testing.assert_close(beside(x), mlp(norm(x)) + 0.1 * bottleneck)
    assert beside.down.out_features == ADAPTER_WIDTH == 64


def test_every_block_gets_one_bottleneck() -> None:
    backbone = built(VIT)
    assert len(adapt(backbone, "adapter")) == 2 * 4


def test_a_copy_has_its_own_adapters() -> None:
    backbone = built(VIT)
    adapt(backbone, "adapter")
    twin, x = copy.deepcopy(backbone), torch.rand(1, 3, 16, 16)
    before = backbone(x)
    with torch.no_grad():
        for p in twin.parameters():
            p.normal_()
    assert torch.equal(backbone(x), before)


@pytest.mark.parametrize(
    ("spec", "form", "says"),
    [
        ("mlp", "film", "form film works on normalisation layers, of which the backbone has none"),
        ("identity", "ssf", "form ssf works on linear, convolutional and normalisation layers, "),
        ("mlp", "adapter", "form adapter works on the MLPs of timm's vision transformers"),
        ("resnet10t", "adapter", "choose another form, or a backbone that has them"),
    ],
)
def test_a_backbone_without_such_layers_is_refused(spec: str, form: Form, says: str) -> None:
    with pytest.raises(ClbenchError, match=says):
        adapt(built(spec), form)
