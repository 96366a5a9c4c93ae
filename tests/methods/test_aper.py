"""APER: pretrained and adapted features side by side, a cosine classifier on both."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch.nn.functional import normalize

from clbench.errors import ClbenchError
from clbench.method import Space
from clbench.play import Run
from clbench.source.digits import digits
from clbench_methods.aper import APER
from clbench_methods.simplecil import SimpleCIL
from living import begun, data, gaussians, stream_of, versions

VIT = "vit_tiny_patch16_224,img_size=8,patch_size=4,embed_dim=8,depth=1,num_heads=2"
FORMS = [("mlp,width=8", "finetune"), ("convnet,width=4,depth=2", "ssf"), (VIT, "adapter")]


def runs(folder: Path, backbone: str, form: str, **given: Any) -> Run:
    source = digits()
    return begun(
        folder, APER, stream_of(source, 5, epochs=1), source, backbone=backbone, form=form, **given
    )


@pytest.mark.parametrize(("backbone", "form"), FORMS)
def test_one_half_is_as_it_came_and_the_other_adapted_once(
    tmp_path: Path, backbone: str, form: str
) -> None:
    run = runs(tmp_path, backbone, form)
    x, fresh = data(run, 1)[0], run.built()
    start = fresh.embed(x)
    d = fresh.model.backbone.num_features
    assert torch.equal(start[:, :d], start[:, d:])
    first, second = versions(run)
    assert torch.equal(first.embed(x)[:, :d], start[:, :d])
    assert not torch.allclose(first.embed(x)[:, d:], start[:, d:])
    assert torch.equal(first.embed(x), second.embed(x))


def test_answers_are_cosines_with_the_means_of_both(tmp_path: Path) -> None:
    run = runs(tmp_path, *FORMS[0])
    *_, method = versions(run)
    parts = [data(run, version) for version in (1, 2)]
    x, y = (torch.cat(each) for each in zip(*parts, strict=True))
    features = method.embed(x).double()
    means = torch.stack([features[y == c].mean(0) for c in range(10)])
    torch.testing.assert_close(method.predict(x), normalize(features) @ normalize(means).T)


def test_with_nothing_to_adapt_it_is_simplecil(tmp_path: Path) -> None:
    source = gaussians()
    *_, one = versions(begun(tmp_path, APER, stream_of(source), source, backbone="identity"))
    *_, two = versions(begun(tmp_path, SimpleCIL, stream_of(source), source))
    x = torch.randn(20, 6)
    torch.testing.assert_close(one.predict(x), two.predict(x))


def test_only_what_was_adapted_is_carried(tmp_path: Path) -> None:
    first, _ = versions(runs(tmp_path, *FORMS[2]))
    weights = first.state()["session"]["weights"]
    assert {name.rsplit(".", 2)[1] for name in weights} == {"down", "up"}


def test_a_backbone_without_such_layers_is_refused_before_training() -> None:
    method = APER(backbone="mlp", form="adapter")
    with pytest.raises(ClbenchError, match="works on the MLPs of timm's vision transformers"):
        method.build(Space((1, 8, 8), torch.device("cpu")))
