"""Members trained together are those that the plain loop trains one after the other."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ensembles import CONVNET, HEAD, MLP, few_digits, plain, room, stream_of, vectors

from clbench.ensemble.choose import choose
from clbench.ensemble.members import Member, plan
from clbench.ensemble.programs import Program, independent, possible
from clbench.ensemble.shuffles import Shuffles
from clbench.ensemble.together import Together
from clbench.errors import ClbenchError
from clbench.model.training import Training
from clbench.protocol import Protocol
from clbench.source.base import Source
from clbench.stream import Update
from clbench.view import View
from clbench_methods.finetune import Finetune
from living import begun, versions

SGD: dict[str, Any] = {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "batch_size": 8}
ADAM: dict[str, Any] = {"optimiser": "adam", "lr": 0.01, "weight_decay": 0.01, "batch_size": 8}
ADAMW: dict[str, Any] = {"optimiser": "adamw", "lr": 0.01, "weight_decay": 0.1, "batch_size": 8}
PLAIN: dict[str, Any] = {"lr": 0.1, "weight_decay": 0.01, "batch_size": 8}
CROPPED = {**CONVNET, "training": {**CONVNET["training"], "augment": "crop-flip"}}
FLIPPED = {**MLP, "training": {**SGD, "augment": "flip"}}

CASES: list[tuple[Program, Source, Mapping[str, Any]]] = [
    *(
        (program, vectors(), {**net, "training": training})
        for program in ("bmm", "vmap")
        for net in (HEAD, MLP)
        for training in (PLAIN, SGD, ADAM)
    ),
    ("bmm", vectors(), {**MLP, "training": ADAMW}),
    ("bmm", few_digits(), FLIPPED),
    ("vmap", few_digits(), CROPPED),
    ("grouped", few_digits(), CROPPED),
    ("grouped", few_digits(), {**CONVNET, "training": ADAM}),
]


def members(n: int) -> list[Member]:
    """Subsets of several sizes: one whose last batch is a lone sample, one of nothing."""
    sizes = (n, 17, 0, n // 2, 25, 3)
    draw = np.random.default_rng(0)
    return [Member(seed, draw.permutation(n)[:size]) for seed, size in enumerate(sizes)]


@pytest.mark.parametrize(("program", "source", "recipe"), CASES)
def test_members_are_those_of_the_plain_loop(
    program: Program, source: Source, recipe: Mapping[str, Any]
) -> None:
    where, some = room(stream_of(source), source, recipe), members(len(source.train))
    together = Together(where, some, program).finish()
    for k, member in enumerate(some):
        for name, wanted in plain(where, member).items():
            torch.testing.assert_close(together[name][k], wanted, rtol=1e-4, atol=2e-5)


def test_the_plain_loop_is_finetuning_to_the_last_bit(tmp_path: Path) -> None:
    stream = stream_of(few_digits())
    run = begun(tmp_path, Finetune, stream, few_digits(), seed=3, **CROPPED)
    (method,) = versions(run)
    found = plain(room(stream, few_digits(), CROPPED), Member(3, stream.updates[0].samples))
    for name, wanted in method.model.state_dict().items():
        assert torch.equal(found[name], wanted)


@pytest.mark.parametrize("augment", ["none", "flip", "crop-flip"])
def test_batches_come_as_a_view_serves_them(augment: str) -> None:
    recipe = {**CONVNET, "training": {"batch_size": 8, "augment": augment}}
    where = room(stream_of(few_digits()), few_digits(), recipe)
    member = Member(5, np.arange(90, 30, -1), update=1)
    view = View(
        Update(1, "learn", member.ids, np.arange(10)),
        where.samples,
        n_classes=10,
        protocol=Protocol(epochs=2),
        seed=5,
    )
    shuffles = Shuffles(member, where.recipe, where.space.shape)
    served = list(view.batches(Training(batch_size=8, augment=augment)))
    assert shuffles.steps == len(served)
    for table, batch in zip(shuffles.take(len(served), 9)[:, 0], served, strict=True):
        assert torch.equal(table[: len(batch)], batch.ids)
        assert (table[len(batch) :] == -1).all()


class TestPrograms:
    def test_are_offered_by_the_layers(self) -> None:
        digits, small = stream_of(few_digits()), stream_of(vectors())
        assert possible(room(small, vectors(), MLP).built(Member(0, np.arange(3))))[0] == "bmm"
        net = room(digits, few_digits(), CONVNET).built(Member(0, np.arange(3)))
        assert possible(net) == ["grouped", "vmap"]

    def test_batch_norm_and_dropout_are_left_to_the_loop(self) -> None:
        """Padding would count in a batch's statistics, and masks would be drawn for all at once."""
        where = room(stream_of(few_digits()), few_digits(), CONVNET)
        network, x = where.built(Member(0, np.arange(3))), torch.rand(3, 1, 8, 8)
        assert independent(network, x)
        for layer in (torch.nn.BatchNorm2d(1), torch.nn.Dropout(0.5)):
            changed = where.built(Member(0, np.arange(3)))
            changed.backbone.body.insert(0, layer)  # type: ignore[operator]
            assert not independent(changed, x)

    def test_one_that_cannot_is_refused_in_a_sentence(self) -> None:
        where = room(stream_of(few_digits()), few_digits(), CONVNET)
        with pytest.raises(ClbenchError, match="cannot be trained by the program bmm"):
            choose(where, members(40), "bmm")


class TestChoice:
    def test_a_job_of_an_instant_is_not_tried_out(self) -> None:
        assert choose(room(stream_of(vectors()), vectors()), members(40)).program == "loop"

    def test_is_the_fastest_of_the_timings(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("clbench.ensemble.choose.WORTH_A_TRIAL", 0.0)
        monkeypatch.setattr("clbench.ensemble.choose.SECONDS", 0.01)
        where = room(stream_of(vectors()), vectors())
        found = choose(where, plan("originals", stream_of(vectors()), vectors(), 40).members)
        assert {timing.program for timing in found.timings} == {"loop", "bmm", "vmap"}
        best = min(found.timings, key=lambda timing: timing.seconds)
        assert (found.program, found.group) == (best.program, best.group)
