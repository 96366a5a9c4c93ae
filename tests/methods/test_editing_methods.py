"""What methods that forget by statistics or by structure have in common, and that they forget."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clbench import state
from clbench.augment import to_input
from clbench.running import load_method
from clbench.source.base import Source, Split, open_source
from clbench.spec import Spec
from clbench_methods.finetune import Finetune
from forgetful import accuracy, forgetting, forgotten, learnt, samples
from living import gaussians, same, weights

# What makes each of them forget a class of digits, a tenth of the data, where ssd's default alpha
# selects nothing; defaults are for large images.
SETTINGS: dict[str, dict[str, Any]] = {
    "fisher_forgetting": {"alpha": 1e-5},
    "influence": {"alpha": 1.0, "damping": 0.01},
    "jit": {"unlearning": {"lr": 0.03, "batch_size": 128, "epochs": 1}},
    "laf": {
        "unlearning": {"lr": 1e-3, "epochs": 40, "optimiser": "adam"},
        "alignment_lr": 4e-3,
    },
    "lfssd": {"alpha": 2.5},
    "sisa": {},
    "ssd": {"alpha": 2.0},
}
NAMES = sorted(SETTINGS)
SMALL: dict[str, Any] = {"backbone": "mlp,width=8,depth=1", "training": {"epochs": 3}}
GONE = range(0, 80, 8)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_request_changes_nothing(tmp_path: Path, name: str) -> None:
    run = forgetting(tmp_path, load_method(name), gaussians(), [], **SMALL)
    original = learnt(run)
    found, _ = forgotten(run, original)
    assert state.pack(original.state()) == state.pack(found.state())


class Plain(Finetune):
    """Finetuning that could be asked to forget."""

    card = load_method("do_nothing").card


@pytest.mark.parametrize("name", sorted(set(NAMES) - {"sisa"}))
def test_the_original_is_a_finetuned_model(tmp_path: Path, name: str) -> None:
    assert load_method(name).card.original == "plain"
    one, two = (
        forgetting(tmp_path, kind, gaussians(), GONE, **SMALL)
        for kind in (load_method(name), Plain)
    )
    assert same(weights(learnt(one)), weights(learnt(two)))


@pytest.mark.parametrize("name", NAMES)
def test_what_the_card_does_not_say_is_not_read(tmp_path: Path, name: str) -> None:
    card = load_method(name).card
    run = forgetting(tmp_path, load_method(name), gaussians(), GONE, **SMALL)
    _, view = forgotten(run, learnt(run))
    asked = run.stream.updates[1]
    assert asked.retained is not None
    assert bool(view.read[torch.from_numpy(asked.retained)].any()) == ("retained" in card.needs)
    assert bool(view.read[torch.from_numpy(asked.samples)].any()) == (not card.retained_only)


@pytest.mark.parametrize("name", NAMES)
def test_a_request_changes_something_the_same_each_time(tmp_path: Path, name: str) -> None:
    given = SMALL | SETTINGS[name] | ({"alpha": 0.5, "dampening": 0.5} if "ssd" in name else {})
    run = forgetting(tmp_path, load_method(name), gaussians(), GONE, **given)
    original = learnt(run)
    one, two = (state.pack(forgotten(run, original)[0].state()) for _ in range(2))
    assert one == two != state.pack(original.state())


@pytest.fixture(scope="module")
def digits() -> Source:
    """Every third of the digits."""
    whole = open_source(Spec("digits"))
    train, test = (Split(each.x[::3], each.y[::3]) for each in (whole.train, whole.test))
    return Source(whole.spec, train, test, whole.classes)


def on_digits(tmp_path: Path, name: str, source: Source) -> tuple[list[float], list[float]]:
    """Accuracies of the original and of the unlearned model, where all threes are forgotten.

    On training samples to forget and to retain, and on test samples of the other classes.
    """
    gone = np.flatnonzero(source.train.y == 3)
    given: dict[str, Any] = {"backbone": "mlp,width=64"}
    given |= {"training": {"epochs": 15, "batch_size": 8}} | SETTINGS[name]
    run = forgetting(tmp_path, load_method(name), source, gone, **given)
    rows = source.test.y != 3
    others = to_input(torch.tensor(source.test.x[rows])), torch.tensor(source.test.y[rows])
    sets = (samples(run, forget=True), samples(run, forget=False), others)
    original = learnt(run)
    methods = (original, forgotten(run, original)[0])
    one, two = ([accuracy(method, *each) for each in sets] for method in methods)
    return one, two


@pytest.mark.parametrize("name", ["influence", "laf", "lfssd", "sisa", "ssd"])
def test_a_class_of_digits_is_forgotten(tmp_path: Path, name: str, digits: Source) -> None:
    """An oracle never answers with a class that it has not seen."""
    before, after = on_digits(tmp_path, name, digits)
    assert before[0] > 0.5
    assert after[0] < 0.1
    assert after[1] > 0.85
    assert after[2] > 0.8


def test_fisher_noise_leaves_what_the_retained_data_hold(tmp_path: Path, digits: Source) -> None:
    """It hides what little the weights say of single samples; a class is no such thing."""
    before, after = on_digits(tmp_path, "fisher_forgetting", digits)
    assert after[1] > 0.95
    assert after[2] > before[2] - 0.05


def test_without_retained_data_jit_takes_the_rest_with_it(tmp_path: Path, digits: Source) -> None:
    """At ten times less it forgets nothing: there is hardly a rate in between."""
    _, after = on_digits(tmp_path, "jit", digits)
    assert after[0] < 0.2
    assert after[1] < 0.5
