"""SCRUB: both steps by hand; the student moves and the teacher does not; rewinding."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from by_hand import ONE_STEP, asked, before_and_after, both, stepped
from clbench.errors import ClbenchError
from clbench.method import Network, Space
from clbench.model.averaging import snapshot
from clbench.model.losses import distillation
from clbench_methods import scrub
from clbench_methods.scrub import Scrub, expected_error
from forgetful import accuracy
from living import assert_close, gaussians, same, weights

GONE = range(0, 80, 8)
TWO_EPOCHS = {"forget_batch_size": 1000, "unlearning": ONE_STEP | {"epochs": 2}}


def test_steps_away_from_the_teacher_and_near_it(tmp_path: Path) -> None:
    given = {"gamma": 0.7, "alpha": 0.5, "temperature": 2.0, "max_epochs": 1} | TWO_EPOCHS
    run = asked(tmp_path, Scrub, GONE, **given)
    original, unlearned = before_and_after(run)
    (gone, _), (kept, y) = both(run)
    teacher = original.model.frozen_copy()

    def near(model: Network) -> Tensor:
        taught = distillation(model(kept), teacher(kept), 2.0)
        return 0.7 * cross_entropy(model(kept), y) + 0.5 * taught

    def away(model: Network) -> Tensor:
        return -distillation(model(gone), teacher(gone), 2.0)

    by_hand = stepped(original.model, away, near, near)
    assert_close(weights(unlearned), by_hand, rtol=1e-4, atol=1e-6)


class Normalised(Scrub):
    """With BatchNorm, whose running statistics would betray a teacher in train mode."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))


@pytest.mark.parametrize("form", ["scrub", "scrub_r"])
def test_the_student_moves_and_the_teacher_does_not(
    tmp_path: Path, form: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Public code handed the teacher's weights to the optimiser: its student never moved."""
    teachers: list[tuple[Network, dict[str, Tensor]]] = []
    frozen_copy = Network.frozen_copy

    def noted(model: Network) -> Network:
        teachers.append((frozen_copy(model), snapshot(model)))
        return teachers[-1][0]

    monkeypatch.setattr(Network, "frozen_copy", noted)
    run = asked(tmp_path, Normalised, GONE, form=form, **TWO_EPOCHS)
    original, unlearned = before_and_after(run)
    [(teacher, before)] = teachers
    assert same(teacher.state_dict(), before)
    for name, weight in weights(original).items():
        assert not torch.equal(weight, weights(unlearned)[name])


def test_the_first_step_away_has_no_slope(tmp_path: Path) -> None:
    """KL is least where student and teacher agree: batches after the first leave, not it."""
    run = asked(tmp_path, Scrub, GONE, alpha=0, gamma=0, **TWO_EPOCHS)
    original, unlearned = before_and_after(run)
    assert_close(weights(unlearned), weights(original), rtol=1e-5, atol=1e-6)


def test_no_label_of_what_is_to_be_forgotten_is_needed_unless_it_rewinds() -> None:
    assert Scrub().declared().needs == ("retained",)
    assert Scrub().declared().original == "plain"
    assert Scrub(form="scrub_r").declared().needs == ("retained", "forget-labels")
    assert Scrub(form="scrub_r").declared().original == "own"


REWINDING: dict[str, Any] = {
    "form": "scrub_r",
    "held_out": 0.2,
    "max_epochs": 8,
    "forget_batch_size": 4,
    "alpha": 0.5,
    "unlearning": ONE_STEP | {"lr": 0.1, "epochs": 8, "batch_size": 16},
}


class TestRewinding:
    def test_what_is_held_out_is_never_trained_on(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        trained = 0

        def counting(logits: Tensor, y: Tensor) -> Tensor:
            nonlocal trained
            trained += len(y)
            return cross_entropy(logits, y)

        monkeypatch.setattr(scrub, "cross_entropy", counting)
        run = asked(tmp_path, Scrub, GONE, gaussians(4, 100), **REWINDING)
        before_and_after(run)
        assert abs(trained - 0.8 * (5 * 400 + 8 * 390)) < 200

    def test_it_ends_where_the_error_is_that_of_held_out_samples(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kept: list[dict[str, Tensor]] = []
        wanted: list[float] = []

        def remembered(model: Network) -> dict[str, Tensor]:
            kept.append(snapshot(model))
            return kept[-1]

        def noted(*given: Tensor) -> float:
            wanted.append(expected_error(*given))
            return wanted[-1]

        monkeypatch.setattr(scrub, "snapshot", remembered)
        monkeypatch.setattr(scrub, "expected_error", noted)
        run = asked(tmp_path, Scrub, range(25), gaussians(4, 50), **REWINDING)
        _, unlearned = before_and_after(run)
        x, y = both(run)[0]
        errors = []
        for each in kept:
            method = run.built()
            method.model.load_state_dict(each)
            errors.append(1 - accuracy(method, x, y))
        best = min(errors, key=lambda error: abs(error - wanted[0]))
        assert 1 - accuracy(unlearned, x, y) == best
        assert len(kept) == 8
        assert len(set(errors)) > 1

    def test_the_expected_error_weighs_classes_as_they_are_asked(self) -> None:
        wrong = torch.tensor([1.0, 0.0, 1.0, 1.0, 0.0])
        labels = torch.tensor([0, 0, 1, 1, 2])
        asked = torch.tensor([0, 0, 0, 1])
        assert expected_error(wrong, labels, asked) == pytest.approx(0.75 * 0.5 + 0.25 * 1.0)

    def test_classes_without_held_out_samples_are_left_out(self) -> None:
        wrong, labels = torch.tensor([1.0, 0.0]), torch.tensor([0, 0])
        assert expected_error(wrong, labels, torch.tensor([0, 3, 3])) == pytest.approx(0.5)

    def test_none_at_all_is_refused(self) -> None:
        with pytest.raises(ClbenchError, match="scrub_r finds no held-out sample of the classes"):
            expected_error(torch.zeros(2), torch.tensor([1, 1]), torch.tensor([0]))
