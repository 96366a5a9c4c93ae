"""Relabelling: labels drawn anew each pass, or once; one algorithm whatever the source."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from by_hand import ONE_STEP, asked, before_and_after, both, stepped
from clbench.model.relabelling import wrong_labels
from clbench.seeds import derive
from clbench.source.base import Source
from clbench_methods import relabel
from clbench_methods.relabel import Amnesiac, RandomLabel
from living import assert_close, gaussians, weights

GONE = range(0, 80, 8)


def generator() -> Generator:
    """Of the forget update, as the view has it."""
    return Generator().manual_seed(derive(0, "view", 1))


class TestRandomLabel:
    def test_a_pass_on_wrong_labels_and_one_on_the_retained(self, tmp_path: Path) -> None:
        run = asked(tmp_path, RandomLabel, GONE, unlearning=ONE_STEP)
        original, unlearned = before_and_after(run)
        (x, y), kept = both(run)
        drawn = generator()
        order = torch.randperm(len(y), generator=drawn)
        wrong = wrong_labels(y[order], 4, drawn)
        by_hand = stepped(
            original.model,
            lambda model: cross_entropy(model(x[order]), wrong),
            lambda model: cross_entropy(model(kept[0]), kept[1]),
        )
        assert_close(weights(unlearned), by_hand, rtol=1e-5, atol=1e-6)

    @pytest.mark.parametrize("classes", [4, 10, 100])
    def test_the_number_of_classes_forks_nothing(
        self, tmp_path: Path, classes: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Public code has one algorithm for CIFAR-10 and another for CIFAR-100, by name."""
        source = gaussians(classes, 2)
        assert steps(tmp_path, source, monkeypatch) == ["gone", "kept"] * 2

    def test_labels_are_drawn_anew_each_pass(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        drawn: list[Tensor] = []

        def recording(*given: Any) -> Tensor:
            drawn.append(wrong_labels(*given))
            return drawn[-1]

        monkeypatch.setattr(relabel, "wrong_labels", recording)
        given = {"unlearning": ONE_STEP | {"epochs": 2}}
        before_and_after(asked(tmp_path, RandomLabel, GONE, **given))
        assert len(drawn) == 2
        assert not torch.equal(drawn[0].sort().values, drawn[1].sort().values)


def steps(folder: Path, source: Source, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What each step of random_label was taken on, in batches that hold all of a kind."""
    gone, found = [0, 1, 2], list[str]()

    def recording(logits: Tensor, labels: Tensor) -> Tensor:
        found.append("gone" if len(labels) == len(gone) else "kept")
        return cross_entropy(logits, labels)

    monkeypatch.setattr(relabel, "cross_entropy", recording)
    given = {"unlearning": ONE_STEP | {"epochs": 2}}
    before_and_after(asked(folder, RandomLabel, gone, source, **given))
    return found


class TestAmnesiac:
    def test_wrong_labels_are_drawn_once_and_all_samples_are_one_set(self, tmp_path: Path) -> None:
        given = {"unlearning": ONE_STEP | {"epochs": 3}}
        run = asked(tmp_path, Amnesiac, GONE, **given)
        original, unlearned = before_and_after(run)
        (gone, y), (kept, labels) = both(run)
        x, taught = torch.cat([gone, kept]), torch.cat([wrong_labels(y, 4, generator()), labels])
        by_hand = stepped(original.model, *[lambda model: cross_entropy(model(x), taught)] * 3)
        assert_close(weights(unlearned), by_hand, rtol=1e-4, atol=1e-6)
