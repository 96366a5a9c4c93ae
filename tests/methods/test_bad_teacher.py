"""Bad teaching: by hand, with the right divergence, and teachers that stay what they are."""

from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from scipy.special import rel_entr, softmax
from torch import Tensor, nn

from by_hand import ONE_STEP, SMALL, asked, before_and_after, both, samples, stepped
from clbench.method import Network, Space, View
from clbench.seeds import derive
from clbench_methods import bad_teacher
from clbench_methods.bad_teacher import BadTeacher
from clbench_methods.random_features import untrained
from living import assert_close, weights

GONE = range(0, 80, 8)


def incompetent(run: Any) -> Network:
    """The untrained teacher of the forget update, drawn as the runner seeds it."""
    torch.manual_seed(derive(0, "update", 2))
    drawn = Network(SMALL["backbone"], run.space)
    drawn.grow(4)
    return drawn


def test_a_step_is_towards_both_teachers(tmp_path: Path) -> None:
    run = asked(tmp_path, BadTeacher, GONE, kept=1.0, unlearning=ONE_STEP)
    original, unlearned = before_and_after(run)
    (gone, _), (kept, _) = both(run)
    with torch.no_grad():
        taught = torch.cat([incompetent(run)(gone), original.model(kept)]).softmax(1)

    def loss(model: Network) -> Tensor:
        answered = model(torch.cat([gone, kept])).log_softmax(1)
        return (taught * (taught.log() - answered)).sum(1).mean()

    assert_close(weights(unlearned), stepped(original.model, loss), rtol=1e-4, atol=1e-6)


def test_the_divergence_is_a_mean_over_samples_not_over_classes_as_well(tmp_path: Path) -> None:
    """Public code: torch's default reduction, smaller by the number of classes."""
    student, teacher = torch.randn(6, 100), torch.randn(6, 100)
    right = rel_entr(softmax(teacher.numpy(), axis=1), softmax(student.numpy(), axis=1)).sum(1)
    with pytest.warns(UserWarning, match="batchmean"):
        published = F.kl_div(student.log_softmax(1), teacher.softmax(1))
    ours = bad_teacher.distillation(student, teacher, 1.0)
    assert float(ours) == pytest.approx(right.mean(), rel=1e-5)
    assert float(published) == pytest.approx(right.mean() / 100, rel=1e-5)


def test_a_share_of_the_retained_is_taught_and_all_that_is_to_be_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Tensor] = []
    plain = bad_teacher.distillation
    monkeypatch.setattr(
        bad_teacher, "distillation", lambda s, t, T: seen.append(t) or plain(s, t, T)
    )
    before_and_after(asked(tmp_path, BadTeacher, GONE, unlearning=ONE_STEP))
    assert [len(each) for each in seen] == [10 + int(0.3 * 70)]


def test_of_the_retained_it_reads_what_it_teaches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Tensor] = []
    served = View.retained_chunks

    def noting(view: View, *args: Any, **given: Any) -> Any:
        for batch in served(view, *args, **given):
            read.append(batch.ids)
            yield batch

    monkeypatch.setattr(View, "retained_chunks", noting)
    before_and_after(asked(tmp_path, BadTeacher, GONE, unlearning=ONE_STEP))
    ids = torch.cat(read)
    assert len(ids) == len(ids.unique()) == 21
    assert not torch.isin(ids, torch.tensor(GONE)).any()


class Normalised(BadTeacher):
    """With BatchNorm, whose running statistics would betray teachers in train mode."""

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(nn.BatchNorm1d(8))

    def _untrained(self) -> Network:
        drawn = Network(untrained(self.backbone), self.model.space)
        drawn.backbone.body.append(nn.BatchNorm1d(8))
        drawn.grow(self.model.n_classes)
        return drawn.frozen_copy()


def test_teachers_are_not_taught(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Over epochs, each answers as it did in the first."""
    taught: list[Tensor] = []
    plain = bad_teacher.distillation

    def recording(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
        assert not teacher.requires_grad
        taught.append(teacher[teacher[:, 0].argsort()])
        return plain(student, teacher, temperature)

    monkeypatch.setattr(bad_teacher, "distillation", recording)
    given = {"unlearning": ONE_STEP | {"epochs": 4}}
    original, unlearned = before_and_after(asked(tmp_path, Normalised, GONE, **given))
    assert len(taught) == 4
    for each in taught[1:]:
        torch.testing.assert_close(each, taught[0])
    moved = (weights(original)[n] - w for n, w in weights(unlearned).items())
    assert all(float(each.abs().max()) > 0 for each in moved)


def test_answers_on_what_is_to_be_forgotten_become_those_of_the_untrained(tmp_path: Path) -> None:
    given = {"unlearning": ONE_STEP | {"optimiser": "adam", "lr": 0.01, "epochs": 200}}
    run = asked(tmp_path, BadTeacher, range(20), **given)  # all of class 0
    original, unlearned = before_and_after(run)
    x, _ = samples(run, range(20))
    far, near = (_divergence(m.predict(x), incompetent(run)(x)) for m in (original, unlearned))
    assert near < 0.3 * far


def _divergence(one: Tensor, two: Tensor) -> float:
    return float(bad_teacher.distillation(one, two.detach(), 1.0))
