"""Planted faults are what they are said to be."""

import json

import pytest
import torch
from safetensors.torch import load as tensors

from clbench import plugin
from clbench.audit.faults import (
    FAULTS,
    Again,
    Destroyed,
    Half,
    HeadOnly,
    Honest,
    Untouched,
    with_accuracy,
)
from clbench.running import load_method
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol
from tiny import Tiny


@pytest.fixture(scope="module")
def small() -> Tiny:
    source = synthetic(classes=4, per_class=40, test_per_class=10, dim=8)
    generator = plugin.load("streams", "unlearning")
    rules = Protocol(epochs=4, retained=1.0)
    return Tiny(generator(source, "small", rules, forget={"name": "random", "size": 0.2}), source)


def weights(small: Tiny, kind, folder, version: int, **given) -> dict[str, torch.Tensor]:
    """Tensors that a version of a run carries."""
    ledger = small.play(kind, folder / kind.__name__, hyperparameters=given)
    return tensors(ledger.read(version, "state.safetensors"))


def changed(one, two) -> set[str]:
    return {name for name in one if not torch.equal(one[name], two[name])}


def test_what_is_untouched_carries_the_same_weights_after_its_work(small, tmp_path):
    before, after = (weights(small, Untouched, tmp_path, version) for version in (1, 2))
    assert changed(before, after) == set()
    cost = small.play(Untouched, tmp_path / "Untouched").read_json(2, "cost.json")
    assert cost["flops_learn"] > 0


def test_an_edit_of_the_head_changes_the_head_alone(small, tmp_path):
    before, after = (weights(small, HeadOnly, tmp_path, v, accuracy=0.5) for v in (1, 2))
    assert changed(before, after)
    assert all(name.startswith("model/head") for name in changed(before, after))


def test_what_has_no_fault_is_retraining_to_the_last_bit(small, tmp_path):
    honest = weights(small, Honest, tmp_path, 2)
    oracle = weights(small, load_method("retrain"), tmp_path, 2)
    assert changed(honest, oracle) == set()


def test_half_reads_as_much_as_it_should_and_destruction_next_to_nothing(small, tmp_path):
    steps = {
        kind: json.loads(small.play(kind, tmp_path).read(2, "cost.json"))["steps"]
        for kind in (Honest, Half, Again, Destroyed)
    }
    assert steps[Half] > steps[Honest] - 1
    assert steps[Again] > steps[Honest] > steps[Destroyed]


def test_as_many_answers_are_wrong_as_the_accuracy_says_and_those_of_the_smallest_margins():
    logits = torch.tensor([[5.0, 0, 1], [2, 1, 0], [0, 9, 1], [0, 1, 0.9]])
    y = torch.tensor([0, 0, 1, 2])
    assert with_accuracy(logits, y, 1.0).tolist() == [0, 0, 1, 2]
    assert with_accuracy(logits, y, 0.5).tolist() == [0, 1, 1, 1]


def test_faults_are_found_by_their_file_and_not_listed():
    listed = {entry.target for entry in plugin.entries("methods").values()}
    assert not [target for target in listed if "clbench.audit" in target]
    assert {kind.card.name for kind in FAULTS.values()} == {
        "planted_untouched", "planted_head_only", "planted_half", "planted_destroyed",
        "planted_again",
    }  # fmt: skip
