"""Controls of forgetting: one hides behind its head, one is as if never trained."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from by_hand import asked, before_and_after, both
from clbench.errors import ClbenchError
from clbench_methods.head_edit import HeadEdit, without_forgotten
from clbench_methods.random_init import RandomInit
from forgetful import accuracy
from living import weights

CLASS = range(20)  # all samples of class 0
SOME = range(0, 80, 8)
FITTED: dict[str, Any] = {
    "unlearning": {"optimiser": "adam", "lr": 0.05, "batch_size": 80, "epochs": 200}
}


class TestHeadEdit:
    @pytest.mark.parametrize("gone", [CLASS, SOME])
    def test_the_head_moves_and_no_feature(self, tmp_path: Path, gone: Any) -> None:
        run = asked(tmp_path, HeadEdit, gone)
        original, unlearned = before_and_after(run)
        for name, weight in weights(original).items():
            assert torch.equal(weight, weights(unlearned)[name]) != name.startswith("head")
        x, _ = both(run)[1]
        assert torch.equal(original.embed(x), unlearned.embed(x))

    def test_a_forgotten_class_is_answered_no_more_and_the_others_as_before(
        self, tmp_path: Path
    ) -> None:
        run = asked(tmp_path, HeadEdit, CLASS, **FITTED)
        original, unlearned = before_and_after(run)
        gone, kept = both(run)
        assert accuracy(original, *gone) > 0.8
        assert accuracy(unlearned, *gone) == 0.0
        assert float(unlearned.predict(gone[0]).softmax(1)[:, 0].max()) < 0.05
        assert accuracy(unlearned, *kept) == accuracy(original, *kept)

    def test_it_is_head_distillation_where_classes_are_forgotten(self) -> None:
        """2405.17878: the original's logits, the forgotten class at minus infinity."""
        logits, y = torch.randn(6, 3), torch.tensor([2, 2, 0, 1, 0, 1])
        found = without_forgotten(logits, y, y == 2)
        assert torch.equal(found[:, :2], logits[:, :2])
        assert bool((found[:, 2] == float("-inf")).all())

    def test_of_single_samples_the_own_label_goes(self) -> None:
        logits, y = torch.randn(4, 3), torch.tensor([2, 0, 0, 2])
        found = without_forgotten(logits, y, torch.tensor([True, True, False, False]))
        masked = torch.tensor([[0, 0, 1], [1, 0, 0], [0, 0, 0], [0, 0, 0]]).bool()
        assert torch.equal(found == float("-inf"), masked)
        assert torch.equal(found[~masked], logits[~masked])

    def test_samples_weigh_by_strength(self, tmp_path: Path) -> None:
        left = [_answered(tmp_path, strength) for strength in (1.0, 100.0)]
        assert left[1] < left[0]

    def test_no_class_left_is_refused(self) -> None:
        logits, y = torch.randn(2, 2), torch.tensor([0, 1])
        with pytest.raises(ClbenchError, match="head_edit leaves no class to answer with"):
            without_forgotten(logits, y, torch.tensor([True, True]))


def _answered(folder: Path, strength: float) -> float:
    """Mean probability of the labels of single samples after they were to be forgotten."""
    run = asked(folder, HeadEdit, SOME, strength=strength, **FITTED)
    _, unlearned = before_and_after(run)
    x, y = both(run)[0]
    p: Tensor = unlearned.predict(x).softmax(1)
    return float(p.gather(1, y[:, None]).mean())


class TestRandomInit:
    def test_it_is_the_network_that_the_run_started_with(self, tmp_path: Path) -> None:
        run = asked(tmp_path, RandomInit, SOME)
        start, unlearned = weights(run.built()), weights(before_and_after(run)[1])
        for name in (n for n in start if not n.startswith("head")):
            assert torch.equal(start[name], unlearned[name])

    def test_it_knows_as_many_classes_and_nothing_of_them(self, tmp_path: Path) -> None:
        run = asked(tmp_path, RandomInit, SOME)
        original, unlearned = before_and_after(run)
        x, y = both(run)[1]
        assert unlearned.predict(x).shape == original.predict(x).shape
        assert accuracy(original, x, y) > 0.9
        assert accuracy(unlearned, x, y) < 0.7
