"""The first session trains once, and only what it trained is carried."""

from pathlib import Path

import pytest
import torch

from clbench import state
from clbench.cost import FlopMeter
from clbench.method import Training, View
from clbench.model.adapters import Form
from clbench.model.network import Space
from clbench.model.session import FirstSession
from clbench.source.digits import digits
from clbench_methods.finetune import Finetune
from living import begun, stream_of

SPACE = Space((1, 8, 8), torch.device("cpu"))
VIT = "vit_tiny_patch16_224,img_size=8,patch_size=4,embed_dim=8,depth=1,num_heads=2"
X = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
TRAINING = Training(lr=0.05, batch_size=50)


def session(backbone: str, form: Form | str) -> FirstSession:
    torch.manual_seed(0)
    return FirstSession(backbone, SPACE, form)  # type: ignore[arg-type]


@pytest.fixture
def views(tmp_path: Path) -> list[View]:
    """The views of the first two updates."""
    source = digits()
    run = begun(tmp_path, Finetune, stream_of(source, epochs=1), source, backbone="mlp,width=4")
    return [run.update(run.built(), version, FlopMeter()) for version in (1, 2)]


@pytest.mark.parametrize(
    ("backbone", "form"),
    [("mlp,width=8", "full"), ("resnet10t", "full"), ("resnet10t", "film"), (VIT, "adapter")],
)
def test_it_trains_once_and_a_copy_made_from_its_state_answers_the_same(
    views: list[View], backbone: str, form: Form
) -> None:
    one = session(backbone, form)
    start = one.embed(X)
    one.learn(views[0], TRAINING)
    adapted = one.embed(X)
    assert not torch.allclose(adapted, start)
    carried = state.pack({"session": one.state_dict()})
    other = session(backbone, form)
    other.load_state_dict(state.unpack(carried, SPACE.device)["session"])
    for each in (one, other):
        each.learn(views[1], TRAINING)
        assert torch.equal(each.embed(X), adapted)


@pytest.mark.parametrize(("backbone", "form"), [("mlp,width=8", "none"), ("identity", "full")])
def test_with_nothing_to_train_there_is_no_session(
    views: list[View], backbone: str, form: Form
) -> None:
    one = session(backbone, form)
    before = one.embed(X)
    one.learn(views[0], TRAINING)
    assert torch.equal(one.embed(X), before)
    assert one.state_dict() == {"done": True}


def test_what_the_seed_rebuilds_is_not_carried(views: list[View]) -> None:
    film, full = session("resnet10t", "film"), session("resnet10t", "full")
    assert film.state_dict() == {"done": False}
    for each in (film, full):
        each.learn(views[0], TRAINING)
    assert all(
        ".bn" in name or "downsample" in name or "conv1" in name
        for name in film.state_dict()["weights"]
    )
    assert full.state_dict()["weights"].keys() == full.network.backbone.state_dict().keys()
    sizes = [len(state.pack(each.state_dict())[state.TENSORS]) for each in (film, full)]
    assert sizes[0] < sizes[1] / 100


@pytest.mark.parametrize(("form", "moves"), [("film", False), ("full", True)])
def test_batch_statistics_move_with_the_whole_body_alone(
    views: list[View], form: Form, moves: bool
) -> None:
    one = session("resnet10t", form)
    one.learn(views[0], TRAINING)
    seen = one.network.backbone.state_dict()["body.bn1.num_batches_tracked"]
    assert int(seen) == (views[0].steps(TRAINING) if moves else 0)
