"""What cannot be is told in one sentence before anything is trained, and nothing is written."""

from pathlib import Path

import pytest

from clbench.errors import ClbenchError
from clbench.method import Card
from clbench.possible import tried
from clbench.recording import run_record
from clbench.settings import Settings
from odd_methods import Guided
from test_cli import ODD, SOURCE, Command, clbench
from tiny import Tiny, tiny_stream

__all__ = ["clbench"]  # the fixture
VECTORS = ("--source", SOURCE)
DIGITS = ("run", "er", "split-digits")


def backbone(method: str, spec: str, *more: str) -> tuple[str, ...]:
    """The run of a method on digits with a backbone and other hyperparameters."""
    chosen = [word for each in (f"backbone={spec}", *more) for word in ("--set", each)]
    return ("run", method, "split-digits", *chosen)


IMPOSSIBLE = [
    # the method does not play the setting
    (("run", "ewc", "online-digits"), "ewc takes many passes over an update, and online-digits is"),
    (("run", "ranpac", "online-digits", "--set", "form=full"), "ranpac takes many passes over an"),
    (("sweep", "er,soup", "online-digits", "--seeds", "1"), "soup takes many passes over an upd"),
    ((*DIGITS[:1], f"{ODD}:NeedsThePast", "split-digits"), "needs-the-past needs past data, which"),
    ((*DIGITS[:1], f"{ODD}:NeedsTasks", "split-digits"), "needs-tasks needs task ids at test, whi"),
    ((*DIGITS[:1], f"{ODD}:Unlearns", "split-digits"), "unlearns plays forget, but split-digits h"),
    # what it is to forget with
    (
        ("run", "er", "forget-digits-class"),
        "er plays learn, but forget-digits-class has updates of",
    ),
    (
        ("run", "finetune_retain", "forget-digits-blind"),
        "finetune_retain needs retained data to forget, which forget-digits-blind does not grant",
    ),
    (
        ("run", "finetune_retain", "forget-digits-class", "--protocol", "retained=2"),
        "protocol field retained is 2.0; it is a share",
    ),
    (
        ("run", "gradient_ascent", "forget-digits-blind"),
        "gradient_ascent needs labels of the samples to forget, which forget-digits-blind hides",
    ),
    # memory
    (
        (*DIGITS, "--protocol", "memory_bytes=1000"),
        "and a stored sample takes 72; the protocol of s",
    ),
    (
        ("run", "lwf", "split-digits", "--protocol", "memory_bytes=1000"),
        "update; the protocol of s",
    ),
    # the stream
    ((*DIGITS, "--source", "synthetic,classes=5"), "5 classes do not divide into a first update"),
    (
        (*DIGITS[:2], "few-shot-digits", "--source", "synthetic,classes=10,per_class=4"),
        "5 are aske",
    ),
    (
        (*DIGITS[:2], "few-shot-digits", "--source", "synthetic,classes=5"),
        "5 classes do not divide",
    ),
    ((*DIGITS[:2], "si-blurry-digits", "--source", "synthetic,classes=4"), "do not fill 5 updates"),
    # the backbone
    (
        backbone("aper", "resnet10t", "form=adapter"),
        "form adapter works on the MLPs of timm's visi",
    ),
    (
        ("run", "ranpac", "split-digits", "--set", "form=ssf"),
        "form ssf works on linear, convolutional and normalisation layers, of which the backbone",
    ),
    (backbone("fsa", "mlp", "form=film"), "form film works on normalisation layers, of which the"),
    (
        backbone("l2", "convnet", "layers=attention"),
        "backbone convnet has no attention blocks; cho",
    ),
    # images and vectors
    ((*backbone("er", "convnet"), *VECTORS), "backbone convnet needs images; samples are (4,)"),
    ((*backbone("er", "resnet10t"), *VECTORS), "backbone resnet10t needs images; samples are (4,)"),
    (backbone("er", "vit_tiny_patch16_224"), "cannot take samples of (1, 8, 8)"),
]


@pytest.mark.parametrize(
    ("command", "complaint"), IMPOSSIBLE, ids=lambda value: value if isinstance(value, str) else ""
)
def test_it_is_one_sentence_before_any_training(
    clbench: Command, tmp_path: Path, command: tuple[str, ...], complaint: str
) -> None:
    error = clbench(*command, "--out", tmp_path / "runs").error
    assert complaint in error
    assert not (tmp_path / "runs").exists()


def test_a_fault_of_the_plugin_stops_its_own_runs_alone(clbench: Command, tmp_path: Path) -> None:
    command = ("sweep", f"{ODD}:BreaksInBuild,nmc", "split-digits", "--seeds", "1", "-j", 1)
    printed = clbench(*command, *VECTORS, "--out", tmp_path, "--json")
    assert (printed.code, "1 of 2 runs broke" in printed.err) == (2, True)
    assert "RuntimeError: no ground to build on" in printed.err
    assert '"label": "nmc"' in printed.out
    assert "on standard output" not in printed.out


class Replays(Guided):
    card = Card(name="replays", paper="none", family="test", stores="samples")


def empty_bytes(tiny: Tiny, tmp_path: Path) -> int:
    found: int = tiny.play(Guided, tmp_path).read_json(0, "cost.json")["state_bytes"]
    return found


@pytest.mark.parametrize(("kind", "sample"), [(Guided, 0), (Replays, 8 * 4 + 8)])
def test_memory_is_enough_from_the_empty_model_and_one_sample_on(
    kind: type[Guided], sample: int, tiny: Tiny, tmp_path: Path
) -> None:
    least = empty_bytes(tiny, tmp_path) + sample
    for budget in (least - 1, least):
        small = tiny_stream(memory_bytes=budget)
        record = run_record(small.stream, small.source, kind, {}, 0, Settings(threads=1))
        if budget == least:
            tried(record, small.stream, small.source, kind)
        else:
            with pytest.raises(ClbenchError, match=f"allows {budget:,}: allow {least:,} or more"):
                tried(record, small.stream, small.source, kind)
