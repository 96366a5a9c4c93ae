"""Budgets of compute: FLOPs, seconds and memory-adjusted FLOPs, with numbers worked out by hand."""

from collections.abc import Mapping
from math import inf, nan
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench import spending
from clbench.archive import differences
from clbench.budget import Budget, LoopPlan, Plan, Trial
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Card, Method, Network, Space, Training, View
from clbench.plugin import load
from clbench.spending import full_finetuning_bytes
from clbench.stream import Protocol
from tiny import Tiny, tiny_stream

# A step of a linear classifier on 10 vectors of 8 numbers with n outputs costs 2 x 10 x 8 x n FLOPs
# forward and as many for the gradient of its weights. The tiny stream has 2, 4, then 6 classes.
STEP = [640, 1280, 1920]
FORWARD_ALL = [1280, 2560, 3840]  # a pass forward over the 40 samples of an update
BUDGET = 6500


class Linear(Method):
    """A plain loop."""

    card = Card(name="linear", paper="none", family="test")
    training: Training = Training(batch_size=10, epochs=100)

    def build(self, space: Space) -> None:
        self.model = Network("identity", space)

    def learn(self, view: View) -> None:
        self.model.grow(view.n_classes)
        self.train(view)

    def train(self, view: View) -> None:
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            self.trains(step, batch.x, batch.y)

    def trains(self, step: Any, x: Tensor, y: Tensor) -> None:
        step(cross_entropy(self.model(x), y))

    def forward_all(self, view: View) -> None:
        with torch.no_grad():
            for chunk in view.chunks(7):
                self.model(chunk.x)


class Dear(Linear):
    """Asks the model twice a step: half as dear again."""

    card = Card(name="dear", paper="none", family="test")

    def trains(self, step: Any, x: Tensor, y: Tensor) -> None:
        with torch.no_grad():
            self.model(x)
        super().trains(step, x, y)


class Looks(Linear):
    """Goes over the update once more after training, as EWC does."""

    card = Card(name="looks", paper="none", family="test")

    def learn(self, view: View) -> None:
        super().learn(view)
        self.forward_all(view)


class Twice(Linear):
    """Trains in two loops, as a soup does for its members."""

    card = Card(name="twice", paper="none", family="test")
    steps: ClassVar[list[int]] = []

    def learn(self, view: View) -> None:
        self.model.grow(view.n_classes)
        for _ in range(2):
            before = view._meter.steps
            self.train(view)
            self.steps.append(view._meter.steps - before)


class Rehearses(Linear):
    """Trains on samples that it stored."""

    card = Card(name="rehearses", paper="none", family="test", stores="samples")

    def train(self, view: View) -> None:
        step = self.training.start(self.model)
        parts = [(batch.raw, batch.y) for batch in view.chunks()]
        raw, y = (torch.cat(part) for part in zip(*parts, strict=True))
        for x, labels in view.rehearse(raw, y, self.training, passes=100):
            self.trains(step, x, labels)


class Overspends(Linear):
    """Does after training what no copy of two steps could foretell."""

    card = Card(name="overspends", paper="none", family="test")

    def learn(self, view: View) -> None:
        super().learn(view)
        for _ in range(view._meter.steps):
            self.model(torch.zeros(40, 8))


class Scheduled(Linear):
    """Asks how many steps there will be."""

    card = Card(name="scheduled", paper="none", family="test")
    told: ClassVar[list[int]] = []

    def learn(self, view: View) -> None:
        self.forward_all(view)
        self.told.append(view.steps(self.training))
        super().learn(view)


class Sleeps(Linear):
    """A step takes a second of a clock that the test holds."""

    card = Card(name="sleeps", paper="none", family="test")
    now: ClassVar[list[float]] = [0.0]

    def trains(self, step: Any, x: Tensor, y: Tensor) -> None:
        super().trains(step, x, y)
        self.now[0] += 1.0


@pytest.fixture(autouse=True)
def nothing_noted() -> None:
    Twice.steps.clear()
    Scheduled.told.clear()


NARROW = {"backbone": "mlp,width=8"}


def costs(
    kind: type[Method], root: Path, chosen: Mapping[str, Any] | None = None, **protocol: Any
) -> list[dict[str, Any]]:
    """`cost.json` of each update of the tiny stream under a protocol."""
    rules = {"epochs": 100} | protocol
    ledger = tiny_stream(**rules).play(kind, root, hyperparameters=chosen or {})
    return [ledger.read_json(version, "cost.json") for version in (1, 2, 3)]


def steps(kind: type[Method], root: Path, **protocol: Any) -> list[int]:
    return [cost["steps"] for cost in costs(kind, root, **protocol)]


class TestFlops:
    def test_a_plain_loop_takes_as_many_steps_as_are_paid_for(self, tmp_path: Path) -> None:
        found = costs(Linear, tmp_path, flops=BUDGET)
        assert [cost["steps"] for cost in found] == [BUDGET // step for step in STEP] == [10, 5, 3]
        assert [cost["flops_learn"] for cost in found] == [6400, 6400, 5760]
        assert [cost["flops_charged"] for cost in found] == [6400, 6400, 5760]
        assert [cost["stopped_by"] for cost in found] == ["flops"] * 3
        assert [cost["samples_seen"] for cost in found] == [100, 50, 30]

    @pytest.mark.parametrize(("budget", "expected"), [(6399, 9), (6400, 10), (7039, 10)])
    def test_to_the_flop(self, tmp_path: Path, budget: int, expected: int) -> None:
        assert steps(Linear, tmp_path, flops=budget)[0] == expected

    def test_a_dearer_step_is_taken_less_often(self, tmp_path: Path) -> None:
        expected = [BUDGET // (step * 3 // 2) for step in STEP]
        assert steps(Dear, tmp_path, flops=BUDGET) == expected == [6, 3, 2]

    def test_what_is_done_beside_training_is_set_aside_first(self, tmp_path: Path) -> None:
        found = costs(Looks, tmp_path, flops=BUDGET)
        trained = [(BUDGET - o) // s for o, s in zip(FORWARD_ALL, STEP, strict=True)]
        assert [cost["steps"] - 6 for cost in found] == trained == [8, 3, 1]  # 6 chunks
        assert all(cost["flops_learn"] <= BUDGET for cost in found)

    def test_loops_share_as_they_would_share_the_whole(self, tmp_path: Path) -> None:
        costs(Twice, tmp_path, flops=BUDGET)
        played = Twice.steps[2:4], Twice.steps[6:8], Twice.steps[10:12]  # after two of each trial
        assert played == ([5, 5], [2, 3], [1, 2])

    def test_training_on_a_memory_is_cut_too(self, tmp_path: Path) -> None:
        found = costs(Rehearses, tmp_path, flops=BUDGET)
        assert [cost["steps"] - 1 for cost in found] == [10, 5, 3]  # one chunk, which is free
        assert [cost["samples_skipped"] for cost in found] == [0, 0, 0]

    def test_a_generous_budget_changes_nothing_else(self, tmp_path: Path) -> None:
        free, rich = (costs(Dear, tmp_path, epochs=2, **more) for more in ({}, {"flops": 10**9}))
        for one, two in zip(free, rich, strict=True):
            assert two == {
                **one,
                "flops_charged": one["flops_learn"],
                "stopped_by": None,
                "samples_skipped": 0,
            }

    def test_samples_that_the_first_pass_did_not_reach_are_told(self, tmp_path: Path) -> None:
        found = costs(Linear, tmp_path, flops=2000)
        assert [cost["samples_skipped"] for cost in found] == [10, 30, 30]

    def test_a_schedule_is_told_how_many_steps_there_will_be(self, tmp_path: Path) -> None:
        found = costs(Scheduled, tmp_path, flops=BUDGET)
        assert Scheduled.told[1::2] == [cost["steps"] - 6 for cost in found]
        assert Scheduled.told[::2] == [400] * 3  # the copy is told of all

    @pytest.mark.parametrize("name", ["er", "ewc", "finetune", "icarl", "lwf", "soup"])
    def test_methods_keep_to_it(self, tmp_path: Path, name: str) -> None:
        kind = load("methods", name)
        free = costs(kind, tmp_path, NARROW, epochs=4)
        budget = max(cost["flops_learn"] for cost in free) * 2 // 3
        held = costs(kind, tmp_path, NARROW, epochs=4, flops=budget)
        assert held[-1]["stopped_by"] == "flops"
        assert all(cost["flops_learn"] <= budget * 1.1 for cost in held)
        assert held[-1]["flops_learn"] > 0.5 * budget

    def test_a_budget_below_one_step_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(
            ClbenchError,
            match=r"linear needs 640 FLOPs for .* one step .*\(0 of them outside .* of tiny "
            r"allows 639; raise flops",
        ):
            costs(Linear, tmp_path, flops=639)

    def test_work_beside_training_counts_for_that(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match=r"needs 1,920 FLOPs .* \(1,280 of them outside"):
            costs(Looks, tmp_path, flops=1900)

    def test_overspending_beside_training_is_refused(self, tmp_path: Path) -> None:
        # 2 x 1280 are set aside, which leaves 6 steps; and then 6 x 1280 are spent
        with pytest.raises(
            ClbenchError, match=r"overspends spent 11,520 FLOPs on an update; .* allows 6,500"
        ):
            costs(Overspends, tmp_path, flops=BUDGET)


class TestSeconds:
    @pytest.fixture(autouse=True)
    def held_clock(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spending, "perf_counter", lambda: Sleeps.now[0])

    @pytest.mark.parametrize(("seconds", "expected"), [(5.5, 5), (5.0, 5), (1.0, 1)])
    def test_a_loop_stops_before_the_step_that_would_be_late(
        self, tmp_path: Path, seconds: float, expected: int
    ) -> None:
        found = costs(Sleeps, tmp_path, seconds=seconds)
        assert [cost["steps"] for cost in found] == [expected] * 3
        assert [cost["stopped_by"] for cost in found] == ["seconds"] * 3

    def test_the_tighter_budget_ends_it(self, tmp_path: Path) -> None:
        found = costs(Sleeps, tmp_path, seconds=4, flops=BUDGET)
        assert [cost["steps"] for cost in found] == [4, 4, 3]
        assert [cost["stopped_by"] for cost in found] == ["seconds", "seconds", "flops"]


class Layers(Method):
    """Two layers without biases, of which all is trained."""

    card = Card(name="layers", paper="none", family="test")
    training: Training = Training(batch_size=10, epochs=100)
    body_learns: ClassVar[bool] = True

    def build(self, space: Space) -> None:
        body, head = nn.Linear(8, 50, bias=False), nn.Linear(50, 6, bias=False)
        body.requires_grad_(self.body_learns)
        self.model = nn.Sequential(body, head)  # type: ignore[assignment]
        self.seen = 0

    carries = ("model", "seen")

    def learn(self, view: View) -> None:
        self.seen = view.n_classes
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))

    def predict(self, x: Tensor) -> Tensor:
        return self.model(x).detach()[:, : self.seen]

    def embed(self, x: Tensor) -> Tensor:
        return self.model[0](x).detach()  # type: ignore[index]


class Frozen(Layers):
    """Its first layer stays as it is."""

    card = Card(name="frozen", paper="none", family="test")
    body_learns = False


class Modelless(Layers):
    card = Card(name="modelless", paper="none", family="test")

    def build(self, space: Space) -> None:
        self.seen = 0

    carries = ("seen",)


# Bytes in a step on 10 samples: inputs 10 x 8, hidden 10 x 50, logits 10 x 6 and weights, of 4
# each; labels of 8. Beside: the loss and the gradient that it starts from.
INPUTS, LABELS, HIDDEN, LOGITS, BODY, HEAD = 320, 80, 2000, 240, 1600, 1200
RESIDENT = INPUTS + LABELS + BODY + HEAD
# Most is held when the gradient of the hidden layer has just been made ...
FULL = RESIDENT + 2 * HIDDEN + LOGITS + HEAD + 8
# ... and, without it, when that of the head has.
PART = RESIDENT + HIDDEN + LOGITS + HEAD + 8
FULL_FLOPS = 2 * 10 * (2 * 8 * 50 + 3 * 50 * 6)
PART_FLOPS = 2 * 10 * (8 * 50 + 2 * 50 * 6)


class TestMemoryAdjusted:
    def test_full_finetuning_is_charged_its_flops(self, tmp_path: Path) -> None:
        found = costs(Layers, tmp_path, flops=10 * FULL_FLOPS, memory_adjusted=True)
        assert [cost["steps"] for cost in found] == [10] * 3
        assert [cost["flops_charged"] for cost in found] == [10 * FULL_FLOPS] * 3

    def test_whoever_holds_less_memory_may_take_more_steps(self, tmp_path: Path) -> None:
        budget = 10 * FULL_FLOPS
        plain, adjusted = (
            costs(Frozen, tmp_path, flops=budget, memory_adjusted=each) for each in (False, True)
        )
        assert [cost["steps"] for cost in plain] == [budget // PART_FLOPS] * 3 == [17] * 3
        charge = PART_FLOPS * PART / FULL
        assert [cost["steps"] for cost in adjusted] == [int(budget / charge)] * 3 == [22] * 3
        assert adjusted[0]["flops_charged"] == pytest.approx(22 * charge)
        assert adjusted[0]["flops_learn"] == 22 * PART_FLOPS

    def test_momentum_is_memory(self, tmp_path: Path) -> None:
        method = Layers(training=Training(batch_size=10, momentum=0.9))
        method.build(Space((8,), torch.device("cpu")))
        assert bytes_of(method) == FULL + BODY + HEAD

    @pytest.mark.parametrize("optimiser", ["adam", "adamw"])
    def test_adam_holds_two_moments_and_a_count_of_steps(self, optimiser: Any) -> None:
        method = Layers(training=Training(batch_size=10, optimiser=optimiser))
        method.build(Space((8,), torch.device("cpu")))
        assert bytes_of(method) == FULL + 2 * (BODY + HEAD + 4)

    def test_measuring_leaves_the_network_as_it_is(self) -> None:
        method = Frozen()
        method.build(Space((8,), torch.device("cpu")))
        before = {name: p.clone() for name, p in method.model.named_parameters()}
        bytes_of(method)
        for name, p in method.model.named_parameters():
            assert torch.equal(p, before[name])
            assert p.grad is None
            assert p.requires_grad == (name != "0.weight")

    def test_a_method_without_a_network_is_refused_before_training(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match="modelless has no network `model` whose full"):
            costs(Modelless, tmp_path, flops=BUDGET, memory_adjusted=True)
        assert not list(tmp_path.rglob("cost.json"))

    def test_what_is_done_beside_training_is_charged_its_flops(self, tmp_path: Path) -> None:
        """Per-sample gradients held together say nothing of the memory that training needs."""
        budget = {"flops": 700_000, "epochs": 2, "memory_adjusted": True}
        free = costs(load("methods", "ewc"), tmp_path, NARROW, epochs=2)[0]["flops_learn"]
        found = costs(load("methods", "ewc"), tmp_path, NARROW, **budget)[0]
        assert (found["stopped_by"], found["flops_learn"]) == (None, free)
        # but for the few bytes that the penalty holds
        assert found["flops_charged"] == pytest.approx(free, rel=1e-3)


def bytes_of(method: Method) -> int:
    stream = tiny_stream()
    labels = stream.stream.label_map(6)[stream.source.train.y]
    samples = spending.Samples(stream.source.train.x, labels, torch.device("cpu"))
    return full_finetuning_bytes(method, samples, stream.stream.updates[0].samples, 2)


class TestContinuing:
    @pytest.mark.parametrize("name", ["er", "ewc", "finetune", "lwf"])
    @pytest.mark.parametrize("adjusted", [False, True])
    @pytest.mark.parametrize("stop", [0, 2])
    def test_a_continued_run_has_the_bytes_of_an_undisturbed_one(
        self, tmp_path: Path, name: str, adjusted: bool, stop: int
    ) -> None:
        tiny = tiny_stream(epochs=100, flops=700_000, memory_adjusted=adjusted)
        kind = load("methods", name)
        interrupted = interrupt(tiny, kind, tmp_path / "1", stop)
        assert interrupted.versions == stop + 1
        continued = tiny.play(kind, tmp_path / "1", hyperparameters=NARROW)
        assert continued.read_json(3, "cost.json")["stopped_by"] == "flops"
        whole = tiny.play(kind, tmp_path / "2", hyperparameters=NARROW)
        assert differences(continued, whole) == []


def interrupt(tiny: Tiny, kind: type[Method], root: Path, after: int) -> Ledger:
    def stop(version: int) -> None:
        if version == after:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        tiny.play(kind, root, hyperparameters=NARROW, on_version=stop)
    (run,) = root.rglob("run.json")
    return Ledger(run.parent)


class TestProtocol:
    @pytest.mark.parametrize("value", [0, -1])
    def test_flops_are_positive(self, value: int) -> None:
        with pytest.raises(ClbenchError, match=f"flops is {value}; it must be 1 or more"):
            Protocol(flops=value)

    @pytest.mark.parametrize("value", [0.0, -1.0, inf, nan])
    def test_seconds_are_positive_and_finite(self, value: float) -> None:
        with pytest.raises(ClbenchError, match="must be above 0 and finite"):
            Protocol(seconds=value)

    def test_an_adjustment_needs_flops(self) -> None:
        with pytest.raises(ClbenchError, match="memory_adjusted is true; it adjusts a budget of"):
            Protocol(memory_adjusted=True, seconds=1.0)

    def test_what_is_chosen_is_hashed_and_what_is_not_is_not(self) -> None:
        assert Protocol(flops=7, memory_adjusted=True).chosen() == {
            "flops": 7,
            "memory_adjusted": True,
        }
        assert Protocol(seconds=0.5).chosen() == {"seconds": 0.5}
        assert Protocol().chosen() == {}


class TestArithmetic:
    """The same without a model: a budget is asked as a loop would ask it."""

    def test_a_first_step_is_expected_to_cost_what_the_trial_found(self) -> None:
        budget = Budget(Plan((LoopPlan(100, 2.0, 20.0),)), flops=20)
        budget.begin(0, 100)
        assert not budget.admits(0, 11, None)
        assert budget.admits(0, 10, None)

    def test_loops_without_cost_take_no_part(self) -> None:
        plan = Plan((LoopPlan(100, 0.0, 0.0), LoopPlan(100, 1.0, 10.0)))
        budget = Budget(plan, flops=50)
        for cost, count in ((0, 10), (10, 5)):
            budget.begin(0, 100)
            taken = [step for step in range(10) if budget.admits(step * cost, 10, cost / 10)]
            assert len(taken) == count
            budget.end(count * cost, cost / 10)

    def test_a_loop_that_no_trial_saw_gets_what_is_left(self) -> None:
        budget = Budget(Plan(), flops=50)
        budget.begin(30, 100)
        assert budget.admits(30, 10, None)
        assert budget.admits(40, 10, 1.0)
        assert not budget.admits(50, 10, 1.0)

    def test_only_a_step_may_be_owed(self) -> None:
        budget = Budget(Plan(), flops=50)
        budget.begin(0, 100)
        budget.admits(0, 1, None)
        budget.end(30, 30)
        assert not budget.exceeded(80)
        assert budget.exceeded(81)

    def test_a_trial_tells_loops_from_all_else(self) -> None:
        trial = Trial()
        trial.begin(5, 100)
        assert [trial.admits(charged, 10, None) for charged in (5, 15, 35)] == [True, True, False]
        trial.end(35, 2.0)
        plan = trial.plan(42)
        assert plan == Plan((LoopPlan(100, 2.0, 20.0),), 12.0)
        assert plan.least == 32
