"""Outputs of named layers: recorded where asked for, and nothing else changed by it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load as load_tensors

from clbench.archive import differences
from clbench.card import Card
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Method
from clbench.options import Options
from clbench.plugin import load
from clbench.report.command import command
from clbench.settings import Settings
from clbench.tapping import Taps, check_layers
from tiny import Tiny, tiny_stream

NAMES = ("backbone.body.1", "backbone.body.2", "backbone.body.4")


@pytest.fixture(scope="module")
def tiny() -> Tiny:
    return tiny_stream()


def played(
    tiny: Tiny, root: Path, *layers: str, method: str = "finetune", **changes: Any
) -> Ledger:
    kind = load("methods", method)
    return tiny.play(kind, root, settings=Settings(threads=1, layers=layers), **changes)


def tensors(ledger: Ledger, version: int) -> dict[str, Any]:
    return load_tensors(ledger.read(version, "layers.safetensors"))


def test_each_version_records_each_layer_on_the_samples_of_the_embeddings(tiny, tmp_path):
    ledger = played(tiny, tmp_path, *NAMES)
    for version in range(4):
        found = tensors(ledger, version)
        embedded = load_tensors(ledger.read(version, "embeddings.safetensors"))
        assert set(found) == {"samples", *(f"layer/{name}" for name in NAMES)}
        np.testing.assert_array_equal(found["samples"], embedded["samples"])
        # the backbone is Flatten, Linear, ReLU, Linear, ReLU: its last layer is the embedding
        np.testing.assert_array_equal(found["layer/backbone.body.4"], embedded["embeddings"])
        relu = np.maximum(found["layer/backbone.body.1"], 0)
        np.testing.assert_array_equal(found["layer/backbone.body.2"], relu)


def test_a_run_is_otherwise_what_it_is_without(tiny, tmp_path):
    plain, with_layers = played(tiny, tmp_path), played(tiny, tmp_path, *NAMES)
    assert plain.path != with_layers.path
    changed = {each.rpartition("/")[2] for each in differences(plain, with_layers)}
    assert changed == {"run.json", "manifest.json", "layers.safetensors"}
    assert "layers" not in (plain.path / "run.json").read_text()


def test_a_run_that_is_continued_records_what_it_began_to(tiny, tmp_path):
    whole = played(tiny, tmp_path / "whole", *NAMES)
    with pytest.raises(KeyboardInterrupt):
        played(tiny, tmp_path / "cut", *NAMES, on_version=_interrupt)
    assert differences(whole, played(tiny, tmp_path / "cut", *NAMES)) == []


def _interrupt(version: int) -> None:
    if version == 1:
        raise KeyboardInterrupt


@pytest.mark.parametrize(
    ("name", "said"),
    [
        (
            "backbone.body.44",
            "unknown layer of finetune 'backbone.body.44'; did you mean 'backbone.body.4'",
        ),
        ("backbon", "did you mean 'backbone'"),
    ],
)
def test_a_layer_that_is_not_there_is_refused_before_anything_is_written(
    tiny, tmp_path, name, said
):
    with pytest.raises(ClbenchError, match=said):
        played(tiny, tmp_path, name)
    assert not list(tmp_path.rglob("run.json"))


def test_a_layer_that_no_embedding_passes_is_told_before_training(tiny, tmp_path):
    versions: list[int] = []
    with pytest.raises(ClbenchError, match="layer head of finetune is not passed"):
        played(tiny, tmp_path, "head", on_version=versions.append)
    assert not versions


@pytest.mark.parametrize("layers", [("",), ("a", "a"), ("a", "", "b")])
def test_layers_are_named_once(layers):
    with pytest.raises(ClbenchError, match="name each layer once"):
        Settings(layers=layers)


def test_the_option_is_a_list_and_the_command_of_a_row_has_it(tiny, tmp_path):
    (cell,) = Options(layers="backbone.body.1,backbone.body.2").cells(["er"], ["split-digits"], [0])
    assert cell.settings.layers == ("backbone.body.1", "backbone.body.2")
    ledger = played(tiny, tmp_path, "backbone.body.1", "backbone.body.2")
    assert "--layers backbone.body.1,backbone.body.2" in command([ledger.record])


class Odd(Method):
    """A method whose model is what a test says."""

    card = Card(name="odd", paper="", family="", plays=("learn",))
    model: Any = None


def odd(model: Any) -> Any:
    method = Odd()
    method.model = model
    return method


def tapped(model: torch.nn.Module, name: str, x: torch.Tensor, ask: Any = None) -> torch.Tensor:
    taps = Taps(odd(model), (name,))
    with taps:
        for some in x.split(3):
            (ask or model)(some)
    (found,) = taps.tensors(len(x)).values()
    return found


def test_values_over_positions_are_averaged():
    images, rows = torch.rand(5, 2, 4, 4), torch.rand(5, 7, 3)
    model = torch.nn.Sequential(torch.nn.Identity())
    torch.testing.assert_close(tapped(model, "0", images), images.mean(dim=(2, 3)))
    torch.testing.assert_close(tapped(model, "0", rows), rows.mean(dim=1))


def test_no_hook_is_left_behind():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3))
    tapped(model, "0", torch.rand(5, 3))
    with pytest.raises(RuntimeError, match="inner"), Taps(odd(model), ("0",)):
        raise RuntimeError("inner")
    assert not model[0]._forward_hooks


def test_a_layer_that_samples_pass_twice_has_no_one_output():
    model = torch.nn.Sequential(torch.nn.Linear(3, 3))
    with pytest.raises(ClbenchError, match="puts out 10 rows for 5 samples"):
        tapped(model, "0", torch.rand(5, 3), lambda x: model(model(x)))


def test_outputs_that_are_no_vectors_or_not_finite_are_refused():
    model = torch.nn.Sequential(torch.nn.Identity())
    with pytest.raises(ClbenchError, match=r"layer 0 of odd puts out \(3,\)"):
        tapped(model, "0", torch.rand(5))
    with pytest.raises(ClbenchError, match="not finite"):
        tapped(model, "0", torch.full((5, 2), torch.nan))


def test_a_method_without_a_model_has_no_layers():
    with pytest.raises(ClbenchError, match="odd has no model with named layers"):
        check_layers(odd(None), ("0",))
    check_layers(odd(None), ())
