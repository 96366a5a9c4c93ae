"""Ascent alone, in turn with descent, and in one loss with it, against steps by hand."""

from pathlib import Path
from typing import Any

import pytest
from torch.nn.functional import cross_entropy

from by_hand import ONE_STEP, asked, before_and_after, both, stepped
from clbench.method import Method
from clbench_methods.ascent_descent import AscentDescent
from clbench_methods.gradient_ascent import GradientAscent
from clbench_methods.neggrad_plus import NegGradPlus
from living import assert_close, weights

GONE = range(0, 80, 8)  # ten samples of all four classes


def compared(folder: Path, kind: type[Method], losses: Any, **given: Any) -> None:
    """One step a pass, against steps by hand down the losses of (forget, retained)."""
    run = asked(folder, kind, GONE, **{"unlearning": ONE_STEP} | given)
    original, unlearned = before_and_after(run)
    by_hand = stepped(original.model, *losses(*both(run)))
    assert_close(weights(unlearned), by_hand, rtol=1e-5, atol=1e-6)


class TestGradientAscent:
    def test_a_step_is_one_up_the_loss(self, tmp_path: Path) -> None:
        compared(
            tmp_path,
            GradientAscent,
            lambda gone, kept: [lambda model: -cross_entropy(model(gone[0]), gone[1])],
        )

    def test_the_loss_rises(self, tmp_path: Path) -> None:
        run = asked(tmp_path, GradientAscent, GONE, unlearning=ONE_STEP | {"epochs": 5})
        (x, y), _ = both(run)
        before, after = (cross_entropy(m.predict(x), y) for m in before_and_after(run))
        assert after > before + 0.1


class TestAscentDescent:
    def test_a_pass_up_and_a_pass_down(self, tmp_path: Path) -> None:
        compared(
            tmp_path,
            AscentDescent,
            lambda gone, kept: [
                lambda model: -cross_entropy(model(gone[0]), gone[1]),
                lambda model: cross_entropy(model(kept[0]), kept[1]),
            ],
            forget_batch_size=1000,
        )

    def test_ascent_ends_after_its_epochs(self, tmp_path: Path) -> None:
        compared(
            tmp_path,
            AscentDescent,
            lambda gone, kept: [
                lambda model: -cross_entropy(model(gone[0]), gone[1]),
                lambda model: cross_entropy(model(kept[0]), kept[1]),
                lambda model: cross_entropy(model(kept[0]), kept[1]),
            ],
            forget_batch_size=1000,
            ascent_epochs=1,
            unlearning=ONE_STEP | {"epochs": 2},
        )


class TestNegGradPlus:
    @pytest.mark.parametrize("alpha", [0.0, 0.3, 0.95, 1.0])
    def test_a_step_weighs_both_losses(self, tmp_path: Path, alpha: float) -> None:
        compared(
            tmp_path,
            NegGradPlus,
            lambda gone, kept: [
                lambda model: (
                    alpha * cross_entropy(model(kept[0]), kept[1])
                    - (1 - alpha) * cross_entropy(model(gone[0]), gone[1])
                )
            ],
            alpha=alpha,
        )
