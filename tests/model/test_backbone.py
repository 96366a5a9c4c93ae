from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from clbench.errors import ClbenchError
from clbench.model.backbone import Backbone, build_backbone
from clbench.model.weights import weights_digest
from clbench.spec import parse_spec

WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "weights"
VIT = "vit_tiny_patch16_224,img_size=32,patch_size=8,embed_dim=128,depth=6,num_heads=4"
IMAGENET = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])


def built(text: str, shape: tuple[int, ...] = (3, 32, 32)) -> Backbone:
    return build_backbone(parse_spec(text), shape)


@pytest.mark.parametrize(
    ("spec", "shape", "width"),
    [
        ("mlp", (7,), 256),
        ("mlp,width=12,depth=3", (1, 8, 8), 12),
        ("convnet", (1, 8, 8), 128),
        ("convnet,width=8,depth=2", (3, 32, 32), 16),
        ("convnet,width=3,depth=5", (3, 9, 17), 48),
        ("convnet", (3, 64, 64), 128),
        ("identity", (7,), 7),
        ("identity", (3, 4, 5), 60),
        ("resnet10t", (1, 8, 8), 512),
        (VIT, (3, 32, 32), 128),
        ("mobilenetv3_small_050,mean_std=half", (1, 32, 32), 1024),
    ],
)
def test_samples_become_features_of_the_declared_width(
    spec: str, shape: tuple[int, ...], width: int
):
    backbone = built(spec, shape)
    assert backbone.num_features == width
    assert backbone.eval()(torch.rand(3, *shape)).shape == (3, width)


def test_a_batch_of_one_can_be_trained_on():
    built("convnet", (1, 8, 8)).train()(torch.rand(1, 1, 8, 8)).sum().backward()


def test_it_is_built_in_training_mode_with_fresh_statistics():
    backbone = built("resnet10t")
    assert all(module.training for module in backbone.modules())
    assert backbone.state_dict()["body.bn1.num_batches_tracked"] == 0


def test_the_global_generator_decides_on_the_weights():
    digests = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        digests.append(weights_digest(built("convnet")))
    assert digests[0] == digests[1] != digests[2]


def test_normalisation_is_part_of_the_backbone_and_not_of_its_state():
    torch.manual_seed(0)
    plain = built("resnet10t").eval()
    torch.manual_seed(0)
    normalised = built("resnet10t,mean_std=imagenet").eval()
    x, (mean, std) = torch.rand(2, 3, 32, 32), IMAGENET
    expected = plain((x - mean[:, None, None]) / std[:, None, None])
    torch.testing.assert_close(normalised(x), expected)
    assert normalised.state_dict().keys() == plain.state_dict().keys()


def test_grey_images_are_taken_as_they_are_or_repeated_where_colours_are_needed(weights: Path):
    assert built("resnet10t", (1, 8, 8)).body.conv1[0].in_channels == 1
    for spec in (f"resnet10t,weights={weights},mean_std=none", f"resnet10t,weights={weights}"):
        backbone, x = built(spec, (1, 32, 32)).eval(), torch.rand(2, 1, 32, 32)
        torch.testing.assert_close(backbone(x), backbone(x.expand(2, 3, 32, 32)))


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A file as trained models are kept: float16, with the classifier."""
    import timm

    torch.manual_seed(3)
    state = timm.create_model("resnet10t", num_classes=5).state_dict()
    file = tmp_path / "weights.safetensors"
    save_file({k: v.half() if v.is_floating_point() else v for k, v in state.items()}, file)
    return file


def change(file: Path, **changes) -> None:
    """Set tensors of a file, or remove them (None); `__` stands for a dot."""
    tensors = load_file(file) | {k.replace("__", "."): v for k, v in changes.items()}
    save_file({k: v for k, v in tensors.items() if v is not None}, file)


def test_weights_of_a_file_are_cast_and_its_classifier_is_dropped(weights: Path):
    state = built(f"resnet10t,weights={weights}").body.state_dict()
    given = load_file(weights)
    assert given.keys() - state.keys() == {"fc.weight", "fc.bias"}
    for name, tensor in state.items():
        assert torch.equal(tensor, given[name].to(tensor.dtype))
        assert tensor.dtype in (torch.float32, torch.int64)


def test_a_relative_file_is_looked_for_under_the_data_folder(
    weights: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CLBENCH_DATA", str(weights.parent))
    built(f"resnet10t,weights={weights.name}")


def test_with_weights_the_declared_normalisation_is_the_default(weights: Path):
    backbone = built(f"resnet10t,weights={weights}")
    torch.testing.assert_close(backbone.mean.flatten(), IMAGENET[0])
    assert built("resnet10t").mean is None


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"bn1__weight": None}, r"weights\.safetensors lacks bn1\.weight;"),
        ({"extra": torch.zeros(1)}, r"has, unknown to the model, extra;"),
        ({"bn1__weight": torch.ones(3)}, r"bn1\.weight has shape \(3,\) and the model \(64,\)"),
        ({"bn1__weight": torch.full((64,), torch.nan)}, r"bn1\.weight has values that are not fin"),
    ],
)
def test_weights_that_do_not_fit_are_named(weights: Path, changes: dict, says: str):
    change(weights, **changes)
    with pytest.raises(ClbenchError, match=says):
        built(f"resnet10t,weights={weights}")


def test_weights_of_another_model_are_named(weights: Path):
    with pytest.raises(ClbenchError, match=r"lacks layer1.* and \d+ more; choose the model"):
        built(f"resnet26t,weights={weights}")


def test_a_truncated_or_missing_file_is_named(weights: Path):
    weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ClbenchError, match=r"weights\.safetensors cannot be read as safetensors"):
        built(f"resnet10t,weights={weights}")
    with pytest.raises(ClbenchError, match=r"no weights file absent\.safetensors"):
        built("resnet10t,weights=absent.safetensors")


@pytest.mark.parametrize(
    ("spec", "shape", "says"),
    [
        ("resnet10", (3, 32, 32), "unknown backbone 'resnet10'; did you mean 'resnet10t'"),
        ("mlp,widht=3", (7,), "unknown option of backbone mlp 'widht'; did you mean 'width'"),
        ("mlp,depth=0", (7,), "mlp: depth must be 1 or more; got 0"),
        ("convnet,width=x", (3, 8, 8), "convnet: width must be 1 or more; got x"),
        ("convnet", (7,), r"convnet needs images; samples are \(7,\)"),
        ("resnet10t", (7,), r"resnet10t needs images; samples are \(7,\)"),
        ("resnet10t,mean_std=cifar", (3, 8, 8), "unknown mean_std .*'cifar'; known: half, imagen"),
        ("resnet10t,mean_std=half", (2, 8, 8), r"1 or 3 channels; samples are \(2, 8, 8\)"),
        ("resnet10t,num_classes=3", (3, 8, 8), "num_classes cannot be set; a backbone has no"),
        ("resnet10t,pretrained=true", (3, 8, 8), "pretrained cannot be set; use weights=hub"),
        ("resnet10t,nonsense=1", (3, 8, 8), "timm cannot make backbone resnet10t,.*nonsense"),
        (VIT, (3, 8, 8), r"cannot take samples of \(3, 8, 8\): .*8.*32"),
    ],
)
def test_what_is_wrong_is_named(spec: str, shape: tuple[int, ...], says: str):
    with pytest.raises(ClbenchError, match=says):
        built(spec, shape)


def test_a_digest_covers_names_values_types_and_shapes():
    def module(name: str, value: torch.Tensor) -> torch.nn.Module:
        holder = torch.nn.Module()
        holder.register_buffer(name, value)
        return holder

    variants = [
        module("a", torch.zeros(2, 2)),
        module("b", torch.zeros(2, 2)),
        module("a", torch.zeros(4)),
        module("a", torch.zeros(2, 2, dtype=torch.bfloat16)),
        module("a", torch.tensor(0.0)),
        module("a", torch.ones(2, 2)),
    ]
    assert len({weights_digest(each) for each in variants}) == len(variants)
    assert weights_digest(variants[0]) == weights_digest(module("a", torch.zeros(2, 2)))


@pytest.mark.shared
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="needs ../shared/weights")
@pytest.mark.parametrize(
    ("spec", "file", "width"),
    [
        ("resnet10t", "resnet10t_cifar10_32.safetensors", 512),
        (VIT, "vit_p8_d128_l6_cifar10_32.safetensors", 128),
    ],
)
def test_real_weights_fit_their_models(spec: str, file: str, width: int):
    backbone = built(f"{spec},mean_std=imagenet,weights={WEIGHTS / file}").eval()
    features = backbone(torch.rand(2, 3, 32, 32))
    assert features.shape == (2, width)
    assert not torch.equal(features[0], features[1])
