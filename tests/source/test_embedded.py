import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from clbench.errors import ClbenchError
from clbench.model.backbone import Backbone, build_backbone
from clbench.source import Source, open_source
from clbench.source.embedded import embed
from clbench.spec import Spec, parse_spec

WEIGHTS = Path(__file__).parents[2] / ".." / "shared" / "weights"
CIFAR100 = WEIGHTS.parent / "data" / "cifar100-150"


def opened(source: str = "digits", backbone: str = "convnet,width=8", **options) -> Source:
    return open_source(Spec("embedded", {"source": source, "backbone": backbone, **options}))


def stores(cache: Path) -> set[str]:
    return {folder.name for folder in (cache / "store").iterdir()}


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    file = tmp_path / "weights.safetensors"
    save_file(build_backbone(parse_spec("resnet10t"), (3, 8, 8)).body.state_dict(), file)
    return file


def test_features_replace_samples_and_the_rest_stays():
    plain, features = open_source(Spec("digits")), opened()
    assert features.train.x.shape == (1442, 32)
    assert features.train.x.dtype == np.float32
    assert isinstance(features.train.x, np.memmap)
    np.testing.assert_array_equal(features.test.y, plain.test.y)
    assert features.classes == plain.classes


def test_features_are_those_of_the_backbone_in_evaluation_mode(monkeypatch):
    plain = open_source(Spec("digits"))
    made = []

    def built(spec: Spec, shape: tuple[int, ...]) -> Backbone:
        made.append(build_backbone(spec, shape))
        return made[-1]

    monkeypatch.setattr("clbench.model.backbone.build_backbone", built)
    features = opened(backbone="resnet10t")
    made[0].eval()
    with torch.no_grad():
        expected = made[0](torch.tensor(plain.test.x[:5]).float() / 255)
    torch.testing.assert_close(torch.tensor(features.test.x[:5]), expected)


def test_identity_gives_pixels_in_the_unit_interval_and_vectors_as_they_are():
    digits = open_source(Spec("digits"))
    np.testing.assert_allclose(
        opened(backbone="identity").test.x, digits.test.x.reshape(-1, 64) / 255, rtol=1e-6
    )
    vectors = open_source(Spec("synthetic"))
    np.testing.assert_array_equal(opened("synthetic", "identity").train.x, vectors.train.x)


def test_further_labellings_pass_through():
    plain = open_source(Spec("synthetic"))
    coarse = {
        name: type(plain.train)(split.x, split.y, {"coarse": split.y // 2})
        for name, split in (("train", plain.train), ("test", plain.test))
    }
    made = embed(Source(plain.spec, coarse["train"], coarse["test"], plain.classes), Spec("mlp"))
    np.testing.assert_array_equal(made.test.other["coarse"], plain.test.y // 2)


def test_the_spec_opens_it_again():
    first = opened("synthetic,dim=4", "mlp,width=8,depth=1")
    assert open_source(parse_spec(str(first.spec))).fingerprint == first.fingerprint


def test_a_second_opening_computes_nothing(weights: Path):
    backbone = f"resnet10t,weights={weights},mean_std=none"
    first = opened(backbone=backbone)
    code = (
        "import sys; from clbench.source import open_source; from clbench.spec import Spec;"
        f"made = open_source(Spec('embedded', dict(source='digits', backbone='{backbone}')));"
        f"sys.exit(made.fingerprint != '{first.fingerprint}' or 'torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_random_backbones_are_always_the_same_and_leave_the_generator_alone(cache: Path):
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = opened()
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    assert opened().fingerprint == first.fingerprint
    assert len(stores(cache)) == 1


def test_the_address_covers_source_weights_and_transform(cache: Path, weights: Path):
    opened(backbone=f"resnet10t,weights={weights},mean_std=half")
    opened(backbone=f"resnet10t,weights={weights},mean_std=none")
    opened(backbone="resnet10t")
    opened("synthetic", "mlp")
    opened("synthetic,seed=1", "mlp")
    assert len(stores(cache)) == 5


def test_the_address_covers_neither_the_place_of_the_weights_nor_the_batch_size(
    cache: Path, weights: Path
):
    opened(backbone=f"resnet10t,weights={weights}")
    moved = weights.rename(weights.with_name("moved.safetensors"))
    opened(backbone=f"resnet10t,weights={moved}", batch_size=100)
    assert len(stores(cache)) == 1


def test_features_that_are_not_finite_are_an_error(cache: Path):
    plain = open_source(Spec("synthetic"))
    x = np.array(plain.test.x)
    x[3] = np.inf
    broken = Source(plain.spec, plain.train, type(plain.test)(x, plain.test.y), plain.classes)
    with pytest.raises(ClbenchError, match="features that are not finite"):
        embed(broken, Spec("identity"))
    assert stores(cache) == set()


def test_a_wrong_batch_size_or_backbone_is_named():
    with pytest.raises(ClbenchError, match="batch_size must be 1 or more; got 0"):
        opened(batch_size=0)
    with pytest.raises(ClbenchError, match="unknown backbone 'convnot'; did you mean 'convnet'"):
        opened(backbone="convnot")
    with pytest.raises(ClbenchError, match="no weights file absent"):
        opened(backbone="resnet10t,weights=absent")


@pytest.mark.shared
@pytest.mark.skipif(not WEIGHTS.is_dir(), reason="needs ../shared")
def test_features_learned_on_cifar10_tell_classes_of_cifar100_apart(cifar100_cache, monkeypatch):
    monkeypatch.setenv("CLBENCH_CACHE", str(cifar100_cache))
    source = embed(
        first_classes(open_source(parse_spec(f"huggingface,path={CIFAR100},label=fine_label"))),
        parse_spec(f"resnet10t,weights={WEIGHTS}/resnet10t_cifar10_32.safetensors"),
    )
    means = np.stack([source.train.x[source.train.y == label].mean(0) for label in range(10)])
    distances = np.linalg.norm(source.test.x[:, None] - means, axis=2)
    assert (distances.argmin(1) == source.test.y).mean() > 0.5


def first_classes(source: Source, n: int = 10) -> Source:
    splits = (source.train, source.test)
    train, test = (type(s)(s.x[s.y < n], s.y[s.y < n]) for s in splits)
    return Source(source.spec, train, test, source.classes)
