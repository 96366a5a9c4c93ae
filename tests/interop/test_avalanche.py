"""Streams as Avalanche's benchmarks, its strategies as methods."""

import importlib.util
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
import torch

from clbench.details import details
from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.method import make_method
from clbench.model.network import Space
from clbench.opening import Opened, open_preset
from clbench.play import play
from clbench.report.command import command
from clbench.running import hyperparameters, load_method
from clbench.settings import Settings
from clbench.uses import uses

needs_avalanche = pytest.mark.skipif(
    importlib.util.find_spec("avalanche") is None,
    reason="Avalanche is not installed: pip install clbench[avalanche]",
)
SAMPLE = 8 * 8  # bytes of a digit as it is stored


@pytest.fixture(scope="module")
def digits() -> Opened:
    return open_preset("split-digits", protocol={"epochs": 3})


def run(
    name: str, opened: Opened, root: Path, carry: bool | None = None, **given: object
) -> Ledger:
    kind = load_method(name)
    chosen = hyperparameters(kind, opened.recipe, given)
    settings = Settings(threads=1, carry=carry)
    return play(opened.stream, opened.source, kind, chosen, 0, root, settings)


def sizes(ledger: Ledger) -> list[dict[str, int]]:
    parts = [ledger.read_json(version, "cost.json") for version in range(ledger.versions)]
    return [part["state_parts"] for part in parts]


def test_without_avalanche_the_error_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "avalanche", None)
    monkeypatch.delitem(sys.modules, "avalanche.training.supervised", raising=False)
    with pytest.raises(ClbenchError, match=r"pip install clbench\[avalanche\]"):
        load_method("avalanche:Replay")


def test_an_unknown_framework_suggests_the_nearest() -> None:
    with pytest.raises(
        ClbenchError, match="unknown framework 'avalance'; did you mean 'avalanche'"
    ):
        load_method("avalance:Replay")


@needs_avalanche
def test_a_strategy_that_is_not_there_suggests_the_nearest() -> None:
    with pytest.raises(ClbenchError, match=r"unknown strategy of Avalanche 'Reply'; .*'Replay'"):
        load_method("avalanche:Reply")
    with pytest.raises(ClbenchError, match=r"unknown plugin of Avalanche 'EWCs'; .*'EWC'"):
        load_method("avalanche:Naive+EWCs")


@needs_avalanche
def test_hyperparameters_are_the_constructors_arguments() -> None:
    with pytest.raises(ClbenchError, match=r"unknown hyperparameter of avalanche:Replay 'memsize'"):
        make_method(load_method("avalanche:Replay"), {"memsize": 3})
    with pytest.raises(ClbenchError, match=r"avalanche:EWC needs a value for .* ewc_lambda"):
        make_method(load_method("avalanche:EWC"), {})
    with pytest.raises(ClbenchError, match="two of its parts have an argument 'mem_size'"):
        load_method("avalanche:Replay+GDumb")
    assert load_method("avalanche:Naive+EWC+LwF").card.paper == "1612.00796, 1606.09282"


@needs_avalanche
@pytest.mark.parametrize("preset", ["split-digits", "si-blurry-digits", "split-digits-task"])
def test_experiences_are_the_updates_of_the_stream(preset: str) -> None:
    from clbench.interop.avalanche import benchmark

    opened = open_preset(preset)
    stream, source = opened.stream, opened.source
    made = benchmark(stream, source)
    labels = stream.label_map(len(source.classes))
    assert len(made.train_stream) == len(stream.updates)
    for experience, update in zip(made.train_stream, stream.updates, strict=True):
        data = experience.dataset
        assert list(data.ids) == update.samples.tolist()
        assert list(data.targets) == labels[source.train.y[update.samples]].tolist()
        assert getattr(experience, "task_label", None) == update.task
        x, y, task = data[0]
        first = source.train.x[update.samples[0]]
        np.testing.assert_array_equal(x.numpy(), first.astype(np.float32) / 255)
        assert (y, task) == (data.targets[0], update.task or 0)
    for experience, evaluation in zip(made.test_stream, stream.evals, strict=True):
        assert list(experience.dataset.ids) == evaluation.samples.tolist()


@needs_avalanche
def test_its_card_and_hyperparameters_are_shown() -> None:
    found = details("avalanche:EWC")
    assert (found["paper"], found["stores"]) == ("1612.00796", "statistics")
    assert found["hyperparameters"]["ewc_lambda"] == "needed (float)"
    assert found["hyperparameters"]["mode"] == "'separate' (str)"


@needs_avalanche
def test_training_images_alone_are_augmented(digits: Opened) -> None:
    from clbench.interop.avalanche import benchmark

    made = benchmark(digits.stream, digits.source, "crop-flip")
    data, plain = made.train_stream[0].dataset, benchmark(digits.stream, digits.source)
    draws = torch.stack([data.train()[0][0] for _ in range(8)])
    assert len(draws.unique(dim=0)) > 1
    assert torch.equal(data.eval()[0][0], plain.train_stream[0].dataset[0][0])
    test = made.test_stream[0].dataset
    assert torch.equal(test[0][0], plain.test_stream[0].dataset[0][0])


@needs_avalanche
def test_an_avalanche_strategy_is_a_run_like_any_other(digits: Opened, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ledger = run("avalanche:Replay", digits, tmp_path, mem_size=100)
    assert Evidence(ledger).accuracy[1, 0] > 0.9
    record = ledger.record
    assert not record.carry
    assert (record.method.name, record.method.family) == ("avalanche:Replay", "avalanche")
    assert record.hyperparameters["mem_size"] == 100
    assert record.hyperparameters["avalanche_lib"]
    assert uses(record) == ("replay", "alive")
    assert command([record]).startswith("clbench run avalanche:Replay split-digits")


@needs_avalanche
def test_the_same_seed_gives_the_same_answers(digits: Opened, tmp_path: Path) -> None:
    name, given = "avalanche:AGEM", {"patterns_per_exp": 10}  # it draws from python's generator
    one, two = (run(name, digits, tmp_path / str(i), **given) for i in range(2))
    last = one.versions - 1
    assert one.read(last, "predictions.parquet") == two.read(last, "predictions.parquet")
    assert one.read(last, "state.safetensors") == two.read(last, "state.safetensors")


@needs_avalanche
def test_the_measured_buffer_is_that_of_the_samples_it_holds(
    digits: Opened, tmp_path: Path
) -> None:
    ledger = run("avalanche:Replay", digits, tmp_path, mem_size=300)
    found = [part.get("ReplayPlugin", 0) for part in sizes(ledger)]
    per_sample = SAMPLE + 3 * 8 + 4  # label, task and id; its weight in the reservoir
    counts = [0, *(min(300, len(u.samples)) for u in digits.stream.updates[:1]), *[300] * 4]
    assert found == [per_sample * count for count in counts]
    network = make_method(load_method("finetune"), {})
    network.build(Space((1, 8, 8), torch.device("cpu")))
    network.model.grow(10)
    weights = sum(p.nbytes for p in network.model.parameters())
    assert sizes(ledger)[-1]["model"] == weights


@needs_avalanche
def test_momentum_that_lives_on_is_measured(digits: Opened, tmp_path: Path) -> None:
    ledger = run("avalanche:Naive", digits, tmp_path, training={"momentum": 0.9})
    parts = sizes(ledger)[-1]
    assert parts["optimiser"] == parts["model"]


@needs_avalanche
@pytest.mark.parametrize(
    ("name", "given"),
    [
        ("avalanche:ICaRL", {"memory_size": 100, "fixed_memory": True, "room": 10}),
        ("avalanche:DER", {"room": 10}),
        ("avalanche:StreamingLDA", {"room": 10, "backbone": "identity"}),
    ],
)
def test_strategies_with_models_of_their_own(
    name: str, given: dict[str, object], digits: Opened, tmp_path: Path
) -> None:
    accuracy = Evidence(run(name, digits, tmp_path, **given)).accuracy
    assert accuracy[1, 0] > 0.9


@needs_avalanche
def test_more_classes_than_room_are_refused(digits: Opened, tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match="has room for 3 classes, and the stream brings 4"):
        run("avalanche:StreamingLDA", digits, tmp_path, room=3)


@needs_avalanche
def test_what_takes_a_pass_of_its_own_does_not_play_online(tmp_path: Path) -> None:
    online = open_preset("online-digits")
    with pytest.raises(ClbenchError, match="avalanche:ICaRL takes many passes"):
        run("avalanche:ICaRL", online, tmp_path, memory_size=100, fixed_memory=True)


@needs_avalanche
def test_it_is_not_made_anew_and_says_so_when_asked(digits: Opened, tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match="avalanche:Naive cannot be made anew from its state"):
        run("avalanche:Naive", digits, tmp_path, carry=True)
    method = make_method(load_method("avalanche:Naive"), {})
    with pytest.raises(ClbenchError, match="cannot be made anew from what it holds"):
        method.load({})


@needs_avalanche
def test_flops_are_counted_as_for_our_methods(digits: Opened, tmp_path: Path) -> None:
    costs = [
        run(name, digits, tmp_path).read_json(1, "cost.json")
        for name in ("avalanche:Naive", "finetune")
    ]
    assert costs[0]["flops_learn"] == costs[1]["flops_learn"] > 0
