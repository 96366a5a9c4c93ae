"""What all methods that train to forget have in common, and that each of them forgets digits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from by_hand import asked, before_and_after, both
from clbench import state
from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.method import Method, make_method
from clbench.play import Run
from clbench.running import load_method
from clbench.source.base import Source, Split, open_source
from clbench.spec import Spec
from clbench_methods.finetune import Finetune
from forgetful import accuracy
from living import gaussians, same, versions, weights

# What makes each of them forget a class of digits; defaults are for large images and slow.
SETTINGS: dict[str, dict[str, Any]] = {
    "amnesiac": {"unlearning": {"lr": 5e-3, "epochs": 5}},
    "ascent_descent": {"unlearning": {"lr": 0.01}},
    "bad_teacher": {"unlearning": {"lr": 5e-3, "epochs": 20, "batch_size": 64}},
    "cf_k": {"unlearning": {"lr": 0.1, "batch_size": 16, "epochs": 10}},
    "eu_k": {"unlearning": {"lr": 0.1, "batch_size": 16}},
    "gradient_ascent": {"unlearning": {"lr": 0.01, "batch_size": 32}},
    "head_edit": {"unlearning": {"lr": 0.01}},
    "l1_sparse": {"unlearning": {"lr": 0.1, "batch_size": 16}, "gamma": 2e-3},
    "neggrad_plus": {"unlearning": {"lr": 0.01, "batch_size": 32}, "alpha": 0.99},
    "random_init": {},
    "random_label": {"unlearning": {"lr": 0.02, "batch_size": 32}},
    "salun": {"unlearning": {"lr": 0.02, "batch_size": 32}},
    "scrub": {"unlearning": {"lr": 0.02, "batch_size": 32}},
}
NAMES = sorted(SETTINGS)
DESTROY = {"gradient_ascent", "random_init"}  # they look at nothing that is to be kept
GONE = range(0, 80, 8)


def updated(run: Run) -> tuple[Method, torch.Tensor]:
    """The method after both updates, and which samples the second handed out."""
    method = run.built()
    run.update(method, 1, FlopMeter())
    return method, run.update(method, 2, FlopMeter()).read


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_request_changes_nothing(tmp_path: Path, name: str) -> None:
    run = asked(tmp_path, load_method(name), [])
    original, unlearned = versions(run)
    assert state.pack(original.state()) == state.pack(unlearned.state())


@pytest.mark.parametrize("name", NAMES)
def test_the_original_is_a_finetuned_model(tmp_path: Path, name: str) -> None:
    assert load_method(name).card.original == "plain"
    one, two = (asked(tmp_path, kind, GONE) for kind in (load_method(name), Plain))
    assert same(weights(next(versions(one))), weights(next(versions(two))))


class Plain(Finetune):
    """Finetuning that could be asked to forget."""

    card = load_method("do_nothing").card


@pytest.mark.parametrize("name", NAMES)
def test_what_the_card_does_not_say_is_not_read(tmp_path: Path, name: str) -> None:
    card = load_method(name).card
    run = asked(tmp_path, load_method(name), GONE)
    request = run.stream.updates[1]
    _, read = updated(run)
    assert bool(read[torch.tensor(request.retained)].any()) == ("retained" in card.needs)
    assert bool(read[torch.tensor(request.samples)].any()) == (
        not card.retained_only and name != "random_init"
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_source_is_not_written_to(tmp_path: Path, name: str) -> None:
    source = gaussians()
    x, y = source.train.x.copy(), source.train.y.copy()
    run = asked(tmp_path, load_method(name), GONE, source)
    updated(run)
    assert np.array_equal(source.train.x, x)
    assert np.array_equal(source.train.y, y)
    assert np.array_equal(run.samples["train"].y.numpy(), run.labels["train"])


def test_settings_given_in_part_leave_the_others_as_the_method_has_them() -> None:
    """As `--set unlearning.lr=0.5` gives them; of `training`, a stream's recipe sets all."""
    kind = load_method("amnesiac")
    found = make_method(kind, {"unlearning": {"lr": 0.5}, "training": {"lr": 0.5}})
    own = kind().unlearning  # type: ignore[attr-defined]
    assert found.unlearning == own.model_copy(update={"lr": 0.5})  # type: ignore[attr-defined]
    assert own.optimiser == "adam"
    with pytest.raises(ClbenchError, match=r"amnesiac has no .*unlearning.rate|unlearning.rate"):
        make_method(kind, {"unlearning": {"rate": 0.5}})


@pytest.fixture(scope="module")
def digits() -> Source:
    """Every third of the digits."""
    whole = open_source(Spec("digits"))
    train, test = (Split(each.x[::3], each.y[::3]) for each in (whole.train, whole.test))
    return Source(whole.spec, train, test, whole.classes)


@pytest.mark.parametrize("name", NAMES)
def test_a_class_of_digits_is_forgotten(tmp_path: Path, name: str, digits: Source) -> None:
    """An oracle never answers with a class that it has not seen."""
    gone = np.flatnonzero(digits.train.y == 3)
    given: dict[str, Any] = {"backbone": "mlp,width=64", "training": {"epochs": 20}}
    run = asked(tmp_path, load_method(name), gone, digits, **given | SETTINGS[name])
    original, unlearned = before_and_after(run)
    forgotten, _ = both(run)
    assert accuracy(original, *forgotten) > 0.9
    assert accuracy(unlearned, *forgotten) < 0.2
    kept = accuracy(unlearned, *others(digits, 3))
    assert kept < 0.4 if name in DESTROY else kept > 0.8


def others(source: Source, label: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Test inputs and labels of all classes but one."""
    rows = source.test.y != label
    return to_input(torch.tensor(source.test.x[rows])), torch.tensor(source.test.y[rows])
