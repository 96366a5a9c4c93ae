"""Which pretrained weights a run rests on: what was loaded counts, not what was asked for."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from clbench.method import Method
from clbench.model.network import Network, Space
from clbench.play import play
from clbench.plugin import load
from clbench.pretrained import noting, of_source, weights_of
from clbench.settings import Settings
from clbench.source.base import open_source
from clbench.spec import parse_spec
from clbench.stream import Protocol, Stream

SPACE = Space((1, 8, 8), torch.device("cpu"))


@pytest.mark.parametrize(
    ("backbone", "name"),
    [
        ("mlp,width=8", ""),
        ("resnet10t", ""),
        ("resnet10t,weights=hub", "timm/resnet10t"),
        ("resnet10t,weights=some/where/w.safetensors", "w.safetensors"),
    ],
)
def test_weights_have_a_name(backbone: str, name: str) -> None:
    assert weights_of(parse_spec(backbone)) == name


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("digits", []),
        ("folder,path=[a]b;c=[d]", []),
        ("embedded,source=digits,backbone=mlp", []),
        ("embedded,source=digits,backbone=[vit,weights=hub]", ["timm/vit"]),
        ("held_out,source=[embedded,source=digits,backbone=[vit,weights=w.st]]", ["w.st"]),
        (
            "joined,sources=[embedded,source=digits,backbone=[a,weights=hub];"
            "embedded,source=digits,backbone=[b,weights=hub]]",
            ["timm/a", "timm/b"],
        ),
    ],
)
def test_frozen_features_rest_on_the_weights_behind_them(source: str, names: list[str]) -> None:
    assert of_source(parse_spec(source)) == names


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a small timm network, as a file."""
    file = tmp_path_factory.mktemp("weights") / "small.safetensors"
    network = Network("resnet10t,mean_std=half", SPACE)  # three channels, as weights have
    tensors = network.backbone.body.state_dict()
    save_file({name: each.contiguous() for name, each in tensors.items()}, file)
    return file


def test_what_backbones_load_is_noted(weights: Path) -> None:
    with noting() as names:
        Network("mlp,width=8", SPACE)
        Network(f"resnet10t,weights={weights}", SPACE)
    Network(f"resnet10t,weights={weights}", SPACE)
    assert names == ["small.safetensors"]


@pytest.mark.parametrize(
    ("method", "expected"), [("nmc", ("small.safetensors",)), ("random_features", ())]
)
def test_a_run_records_them(
    method: str, expected: tuple[str, ...], weights: Path, tmp_path: Path
) -> None:
    source = open_source(parse_spec("digits"))
    generator = load("streams", "class_incremental")
    stream: Stream = generator(source, "two", Protocol(), increment=1, order=[0, 1])
    kind: type[Method] = load("methods", method)
    field = "features" if method == "nmc" else "backbone"
    chosen = {field: f"resnet10t,weights={weights}"}
    ledger = play(stream, source, kind, chosen, 0, tmp_path, Settings(threads=1))
    assert ledger.record.pretrained == expected
