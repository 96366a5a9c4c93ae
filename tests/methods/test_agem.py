"""A-GEM: steps that do not go up the loss on past updates."""

from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from clbench import state
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench_methods import agem
from clbench_methods.agem import AGEM, projected
from clbench_methods.finetune import Finetune
from living import assert_close, begun, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def test_two_parameters_by_hand() -> None:
    """(1, 0) goes against (-1, 1); half of the way to it is what is at right angles."""
    g, r = torch.tensor([1.0, 0.0]), torch.tensor([-1.0, 1.0])
    assert projected(g, r).tolist() == [0.5, 0.5]
    assert projected(g, 10 * r).tolist() == [0.5, 0.5]  # only the direction of r counts


def test_a_step_that_does_no_harm_is_left_as_it_is() -> None:
    for r in ([1.0, 5.0], [0.0, 3.0], [0.0, 0.0]):
        assert projected(torch.tensor([2.0, 0.0]), torch.tensor(r)).tolist() == [2.0, 0.0]


@given(st.integers(0, 1000))
def test_it_is_the_nearest_harmless_step(seed: int) -> None:
    g, r, other = torch.randn(3, 6, generator=torch.Generator().manual_seed(seed)).double()
    found = projected(g, r)
    assert float(found @ r) > -1e-12
    if float(other @ r) >= 0:
        assert float((found - g).norm()) <= float((other - g).norm())


def test_without_conflict_it_is_finetuning(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agem, "projected", lambda g, r: g)
    source = gaussians()
    given = SMALL | {"training": {"batch_size": 40}}  # an update is one step
    one, two = (
        begun(tmp_path, kind, stream_of(source, epochs=1), source, **given)
        for kind in (AGEM, Finetune)
    )
    for method, plain in zip(versions(one), versions(two), strict=True):
        assert_close(weights(method), weights(plain))


def test_the_reference_is_the_gradient_on_past_updates_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    whole = AGEM._gradient

    def recording(self: AGEM, x: Tensor, y: Tensor) -> Tensor:
        seen.append(y)
        return whole(self, x, y)

    source = gaussians()
    run = begun(tmp_path, AGEM, stream_of(source, epochs=1), source, reference=15, **SMALL)
    first = next(versions(run))
    monkeypatch.setattr(AGEM, "_gradient", recording)
    run.update(run.rebuilt(state.pack(first.state())), 2, FlopMeter())
    assert [len(y) for y in seen] == [32, 15, 8, 15]
    assert all(y.min() >= 2 for y in seen[::2])
    assert all(y.max() < 2 for y in seen[1::2])


@pytest.mark.parametrize("epochs", [1, 3])
def test_updates_share_the_memory_equally(tmp_path: Path, epochs: int) -> None:
    source = gaussians(classes=6)
    run = begun(tmp_path, AGEM, stream_of(source, epochs=epochs), source, buffer=12, **SMALL)
    sizes = [list(method.memory.sizes.values()) for method in versions(run)]
    assert sizes == [[12], [6, 6], [4, 4, 4]]


def test_a_memory_below_a_sample_an_update_is_refused_before_training(tmp_path: Path) -> None:
    source = gaussians()
    run = begun(tmp_path, AGEM, stream_of(source, epochs=1), source, buffer=1, **SMALL)
    first = next(versions(run))
    method = run.rebuilt(state.pack(first.state()))
    with pytest.raises(ClbenchError, match="1 samples cannot hold one of each of 2 updates"):
        run.update(method, 2, FlopMeter())
    assert same(weights(method), weights(first))
