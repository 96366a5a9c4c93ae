"""EWC: what mattered is held in place; nothing else changes."""

from pathlib import Path
from typing import Any

import pytest
import torch

from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.play import Run, play
from clbench.settings import Settings
from clbench_methods.ewc import EWC
from clbench_methods.finetune import Finetune
from clbench_methods.lwf import LwF
from living import assert_close, begun, gaussians, same, stream_of, versions, weights

SMALL = {"backbone": "mlp,width=8"}


def runs(folder: Path, kind: type[Method], epochs: int = 3, **given: Any) -> Run:
    source = gaussians()
    return begun(folder, kind, stream_of(source, epochs=epochs), source, **SMALL | given)


@pytest.mark.parametrize(("form", "labels"), [("paper", "sampled"), ("online", "exact")])
def test_without_strength_it_is_finetuning_to_the_last_bit(
    tmp_path: Path, form: str, labels: str
) -> None:
    one = versions(runs(tmp_path, EWC, strength=0, form=form, labels=labels))
    for method, plain in zip(one, versions(runs(tmp_path, Finetune)), strict=True):
        assert same(weights(method), weights(plain))


def test_the_first_update_has_no_penalty_and_the_second_has(tmp_path: Path) -> None:
    """A public library once compared a tensor with itself, so that its penalty was always 0."""
    one, two = versions(runs(tmp_path, EWC, strength=10)), versions(runs(tmp_path, Finetune))
    assert same(weights(next(one)), weights(next(two)))
    assert not same(weights(next(one)), weights(next(two)))


def test_the_anchor_is_where_the_update_ended_and_stays_there(tmp_path: Path) -> None:
    first, second = versions(runs(tmp_path, EWC, strength=1))
    assert_close(first.anchor.anchor, weights(first), rtol=0, atol=0)
    old, total = first.anchor.importance, second.anchor.importance
    for name, before in weights(first).items():  # in all, it is the mean that importances weigh
        rows, later = slice(len(before)), weights(second)[name]
        new = total[name][rows] - old[name]
        expected = (old[name] * before + new * later[rows]) / total[name][rows]
        matters, found = total[name][rows] > 1e-6, second.anchor.anchor[name]
        torch.testing.assert_close(found[rows][matters], expected[matters], rtol=1e-3, atol=1e-3)
        assert torch.equal(found[len(before) :], later[len(before) :])


def test_the_forms_agree_while_there_is_one_past_update(tmp_path: Path) -> None:
    paper = list(versions(runs(tmp_path, EWC, strength=5)))
    online = list(versions(runs(tmp_path, EWC, strength=5, form="online", gamma=0.5)))
    for one, two in zip(paper, online, strict=True):
        assert same(weights(one), weights(two))
    assert not same(paper[1].anchor.anchor, online[1].anchor.anchor)


def test_a_strong_penalty_holds_what_matters(tmp_path: Path) -> None:
    """Parameters of large importance move a small part of the way that they move without."""
    given = {"backbone": "identity", "labels": "exact", "training": {"lr": 0.05}}
    start = next(versions(runs(tmp_path, EWC, 20, strength=0, **given)))
    importance, anchor = start.anchor.importance, start.anchor.anchor
    largest = max(float(f.max()) for f in importance.values())
    strength = 1 / (0.05 * largest)  # steps of the penalty neither overshoot nor creep

    def moved(strength: float) -> torch.Tensor:
        _, last = versions(runs(tmp_path, EWC, 20, strength=strength, **given))
        ways = [
            (weights(last)[name][: len(f)] - anchor[name]).abs()[f > largest / 3]
            for name, f in importance.items()
        ]
        return torch.cat(ways)

    held, free = moved(strength), moved(0)
    assert len(free) >= 2
    assert float(held.norm()) < 0.1 * float(free.norm())


@pytest.mark.parametrize("labels", ["sampled", "exact", "empirical"])
def test_a_step_too_large_is_an_error_that_says_so(tmp_path: Path, labels: str) -> None:
    source = gaussians()
    stream = stream_of(source, epochs=20)
    given = SMALL | {"strength": 1e9, "labels": labels}
    with pytest.raises(ClbenchError, match=r"diverged.*lower the learning rate, or the strength"):
        play(stream, source, EWC, given, 0, tmp_path, Settings(threads=1))


@pytest.mark.parametrize("kind", [Finetune, LwF])
def test_divergence_of_any_method_is_an_error(tmp_path: Path, kind: type[Method]) -> None:
    source = gaussians()
    given = SMALL | {"training": {"lr": 1e12}}
    with pytest.raises(ClbenchError, match=r"NaN or infinite logits for .*lower the learning rate"):
        play(stream_of(source, epochs=5), source, kind, given, 0, tmp_path, Settings(threads=1))
