"""Every check of the contract can fail: a small faulty method for each, and the remedy named."""

import random
import time
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.contract import CHECKS, BrokenContract, Subject
from clbench.errors import ClbenchError
from clbench.hoard import stored_labels, stored_samples
from clbench.method import Card, Method, Space, Training, View
from clbench.state import State
from clbench.subject import small_stream
from clbench_methods.finetune import Finetune

GATHERED: dict[int, Tensor] = {}  # what a module must not keep


class Good(Finetune):
    """A method without fault, small so that many of its kind are checked quickly."""

    backbone: str = "mlp,width=16,depth=1"

    def weigh(self, view: View, x: Tensor) -> float:
        """A factor of the loss; faults put here what they should not know."""
        return 1.0

    def learn(self, view: View) -> None:
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(self.weigh(view, batch.x) * cross_entropy(self.model(batch.x), batch.y))


def card(**changes: Any) -> Card:
    return Card(**({"name": "faulty", "paper": "none", "family": "test"} | changes))


class NoHandler(Good):
    card = card(plays=("learn", "forget"))


class PlaysNothing(Good):
    card = card(plays=())


class PythonRandom(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        return random.random()


class NumpyRandom(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        return float(np.random.rand())


class Clock(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        return time.perf_counter_ns() % 1000 / 1000


class UnseededGenerator(Good):
    def build(self, space: Space) -> None:
        super().build(space)
        generator = torch.Generator()
        generator.seed()
        with torch.no_grad():
            self.model.backbone.body[1].weight.uniform_(-0.1, 0.1, generator=generator)


class ClassHoard(Good):
    gathered: ClassVar[dict[int, Tensor]] = {}

    def weigh(self, view: View, x: Tensor) -> float:
        self.gathered[view.index] = x
        return 1 + float(self.gathered.get(view.index - 1, torch.zeros(1)).mean())


class ModuleHoard(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        GATHERED[view.index] = x
        return 1 + float(GATHERED.get(view.index - 1, torch.zeros(1)).mean())


class ForgottenCounter(Good):
    def build(self, space: Space) -> None:
        super().build(space)
        self.age = 0

    def learn(self, view: View) -> None:
        self.age += 1
        super().learn(view)

    def weigh(self, view: View, x: Tensor) -> float:
        return 1 / self.age


class ForgottenMomentum(Good):
    def learn(self, view: View) -> None:
        self.model.grow(view.n_classes)
        body, head = self.model.backbone.parameters(), self.model.head.parameters()
        if not hasattr(self, "optimiser"):
            self.optimiser = torch.optim.SGD(body, lr=0.05, momentum=0.9)
        fresh = torch.optim.SGD(head, lr=0.05)
        for batch in view.batches(self.training):
            self.optimiser.zero_grad()
            fresh.zero_grad()
            cross_entropy(self.model(batch.x), batch.y).backward()
            self.optimiser.step()
            fresh.step()


class ForgottenTemperature(Good):
    def build(self, space: Space) -> None:
        super().build(space)
        self.temperature = torch.ones(())

    def learn(self, view: View) -> None:
        super().learn(view)
        self.temperature = torch.full((), 3.0)

    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x) / self.temperature


class WithLayer(Good):
    training: Training = Training(batch_size=40)  # none of the updates ends in a batch of one

    def layer(self) -> nn.Module:
        return nn.BatchNorm1d(16)

    def build(self, space: Space) -> None:
        super().build(space)
        self.model.backbone.body.append(self.layer())


class NormInTrainMode(WithLayer):
    def predict(self, x: Tensor) -> Tensor:
        return self.model(x).detach()


class DropoutAtPredict(WithLayer):
    def layer(self) -> nn.Module:
        return nn.Dropout(0.5)

    def predict(self, x: Tensor) -> Tensor:
        return self.model(x).detach()


class SqueezesBatches(Good):
    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x).squeeze()


class BatchMeanEmbedding(Good):
    def embed(self, x: Tensor) -> Tensor:
        features = super().embed(x)
        return features - features.mean(0)


class StaysInEval(Good):
    def predict(self, x: Tensor) -> Tensor:
        self.model.eval()
        with torch.no_grad():
            return self.model(x)


class StaysInEvalInAList(StaysInEval):
    carries = ("first",)

    def build(self, space: Space) -> None:
        super().build(space)
        self.first, self.parts = self.model, {"all": [self.model]}
        del self.model

    def __getattr__(self, name: str) -> Any:
        if name == "model":
            return vars(self)["first"]
        raise AttributeError(name)


class CountsQuestions(Good):
    carries = ("model", "asked")

    def build(self, space: Space) -> None:
        super().build(space)
        self.asked = 0

    def embed(self, x: Tensor) -> Tensor:
        self.asked += len(x)
        return super().embed(x)


class WritesIntoInputs(Good):
    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x.sub_(0.5))


class WritesSamples(Good):
    def learn(self, view: View) -> None:
        super().learn(view)
        view._serving._samples._resident[view._ids] = 0


class WritesLabels(Good):
    def learn(self, view: View) -> None:
        super().learn(view)
        view._serving._samples.y.clamp_(max=1)


class TurnsGradientsOff(Good):
    def predict(self, x: Tensor) -> Tensor:
        torch.set_grad_enabled(False)
        return super().predict(x)

    def learn(self, view: View) -> None:
        with torch.enable_grad():
            super().learn(view)


class SetsPrecision(Good):
    def learn(self, view: View) -> None:
        torch.set_float32_matmul_precision("medium")
        super().learn(view)


class ReadsOtherSamples(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        return float(view._serving._samples.gather(torch.arange(1000)).float().mean()) / 128


class ReadsOtherLabels(Good):
    def weigh(self, view: View, x: Tensor) -> float:
        return float((view._serving._samples.y == 5).float().mean()) * 10


class WidensItsView(Good):
    def learn(self, view: View) -> None:
        known = view._serving._samples.y.ge(0) & view._serving._samples.y.lt(view.n_classes)
        view._ids = known.nonzero()[:, 0]
        super().learn(view)


class Hoards(Good):
    """Keeps 20 samples in a guise, without a word in its card."""

    carries = ("model", "kept")
    guise: str = "raw"

    def build(self, space: Space) -> None:
        super().build(space)
        self.kept: Any = {}

    def state(self) -> State:
        return {"model": super().state()["model"], "kept": {"here": self.kept}}

    def load(self, state: State) -> None:
        self.model.load_state_dict(state["model"])
        self.kept = state["kept"]["here"]

    def learn(self, view: View) -> None:
        super().learn(view)
        batch = next(iter(view.chunks(20)))
        flat = batch.x.flatten(1)
        self.kept = {
            "raw": batch.raw,
            "prepared": batch.x,
            "flat": flat.flatten(),
            "double": flat.double(),
            "bfloat16": flat.bfloat16(),
            "normalised": (flat - 0.13) / 0.31,
            "labelled": torch.cat([batch.y[:, None].float(), flat], 1),
            "columns": flat.T,
            "integers": batch.raw.long(),
            "list": flat.tolist(),
        }[self.guise]


class HoardsLabels(Hoards):
    """Keeps the labels of 40 samples in a guise."""

    guise: str = "whole"

    def learn(self, view: View) -> None:
        Good.learn(self, view)
        y = next(iter(view.chunks(40))).y
        self.kept = {
            "whole": y,
            "float": y.double(),
            "bytes": y.to(torch.uint8),
            "one_hot": nn.functional.one_hot(y, view.n_classes),
            "list": y.tolist(),
        }[self.guise]


class ReadsTwice(Good):
    def learn(self, view: View) -> None:
        super().learn(view)
        list(view.chunks())


class CarriesTooMuch(Good):
    carries = ("model", "ballast")

    def build(self, space: Space) -> None:
        super().build(space)
        self.ballast = torch.zeros(17 << 20)


@dataclass(frozen=True)
class Fault:
    kind: type[Method]
    check: str
    message: str
    also: tuple[str, ...] = ()  # further checks that such a fault cannot but break

    def __str__(self) -> str:
        return self.kind.__name__


RANDOM = ("resumes_where_it_stopped", "carries_all_that_updates_use", "reads_only_what_is_granted")
UNSTEADY = ("carries_all_that_updates_use", "state_round_trip_changes_no_prediction")
FAULTS = [
    Fault(NoHandler, "plays_what_its_card_says", "no forget.view.; define it"),
    *(
        Fault(kind, "same_seed_gives_same_bytes", "draw from view.generator", RANDOM)
        for kind in (PythonRandom, NumpyRandom, Clock)
    ),
    *(
        Fault(kind, "resumes_where_it_stopped", "keep it in an attribute named in carries")
        for kind in (ClassHoard, ModuleHoard)
    ),
    Fault(ForgottenCounter, "carries_all_that_updates_use", "in build.*; not carried: age$"),
    Fault(ForgottenMomentum, "carries_all_that_updates_use", "; not carried: optimiser$"),
    Fault(
        ForgottenTemperature,
        "state_round_trip_changes_no_prediction",
        "predict, .*; not carried: temperature$",
    ),
    Fault(
        NormInTrainMode,
        "answers_do_not_depend_on_the_batch",
        "predict in batches of 7 .*`with evaluating",
        ("answering_changes_nothing",),
    ),
    Fault(DropoutAtPredict, "answers_do_not_depend_on_the_batch", "with evaluating", UNSTEADY),
    Fault(SqueezesBatches, "answers_do_not_depend_on_the_batch", "predict of one input alone"),
    Fault(BatchMeanEmbedding, "answers_do_not_depend_on_the_batch", "embed in batches of 7"),
    *(
        Fault(kind, "answering_changes_nothing", "train/eval mode; use `with evaluating")
        for kind in (StaysInEval, StaysInEvalInAList)
    ),
    Fault(
        CountsQuestions,
        "answering_changes_nothing",
        "changes the state; leave that to updates",
        ("resumes_where_it_stopped",),
    ),
    Fault(WritesIntoInputs, "answering_changes_nothing", "into its inputs; work on a copy"),
    Fault(WritesSamples, "leaves_the_source_as_it_was", "use what view.batches"),
    Fault(
        WritesLabels,
        "leaves_the_source_as_it_was",
        "use what view.batches",
        ("resumes_where_it_stopped", "reads_only_what_is_granted"),
    ),
    Fault(TurnsGradientsOff, "leaves_torch_as_it_was", "torch.set_grad_enabled was True and is F"),
    Fault(SetsPrecision, "leaves_torch_as_it_was", "matmul_precision was .*; set it back"),
    Fault(ReadsOtherSamples, "reads_only_what_is_granted", "use what view.batches"),
    Fault(ReadsOtherLabels, "reads_only_what_is_granted", "use what view.batches"),
    Fault(
        ReadsTwice,
        "reads_an_update_once_unless_its_card_says_many",
        'a second time; write passes="many" in its card',
    ),
    Fault(WidensItsView, "reads_only_what_is_granted", "do not write to a view's attributes"),
]


WHOLE_RUNS = ("same_seed_gives_same_bytes", "resumes_where_it_stopped")  # take the longest


def broken(subject: Subject, skipped: Collection[str] = ()) -> dict[str, str]:
    """What each broken check says."""
    found = {}
    for name in CHECKS.keys() - skipped:
        try:
            CHECKS[name](subject)
        except BrokenContract as fault:
            found[name] = str(fault)
    return found


@pytest.mark.parametrize("kind", [Good, WithLayer])
def test_a_method_without_fault_keeps_the_contract(kind: type[Method]) -> None:
    assert broken(Subject(kind, {})) == {}


@pytest.mark.parametrize("fault", FAULTS, ids=str)
def test_a_fault_breaks_its_check_and_is_told_the_remedy(fault: Fault) -> None:
    expected = {fault.check, *fault.also}
    found = broken(Subject(fault.kind, {}), skipped=set(WHOLE_RUNS) - expected)
    assert set(found) == expected
    with pytest.raises(BrokenContract, match=fault.message):
        raise BrokenContract(found[fault.check])


def test_weights_from_an_unseeded_generator_are_found() -> None:
    with pytest.raises(BrokenContract, match=r"differ in versions.000"):
        CHECKS["same_seed_gives_same_bytes"](Subject(UnseededGenerator, {}))


def test_a_card_that_plays_nothing_is_found() -> None:
    with pytest.raises(BrokenContract, match="name the kinds of update"):
        CHECKS["plays_what_its_card_says"](Subject(PlaysNothing, {}))


GUISES = ["raw", "prepared", "flat", "double", "bfloat16", "integers", "normalised"]
GUISES += ["labelled", "columns", "list"]


@pytest.mark.parametrize("guise", GUISES)
def test_stored_samples_are_found_in_any_guise(guise: str) -> None:
    with pytest.raises(BrokenContract, match=r'carries 20 training samples; .*stores="samples"'):
        CHECKS["stores_no_more_than_its_card_says"](Subject(Hoards, {"guise": guise}))


@pytest.mark.parametrize("guise", ["whole", "float", "bytes", "one_hot", "list"])
def test_stored_labels_are_found_in_any_guise(guise: str) -> None:
    with pytest.raises(BrokenContract, match=r'carries 40 training labels; write stores="labels"'):
        CHECKS["stores_no_more_than_its_card_says"](Subject(HoardsLabels, {"guise": guise}))


@pytest.mark.parametrize("stores", ["labels", "samples"])
def test_stored_labels_that_the_card_declares_are_allowed(stores: Any) -> None:
    class Declares(HoardsLabels):
        card = card(stores=stores)

    CHECKS["stores_no_more_than_its_card_says"](Subject(Declares, {}))


def test_samples_are_more_than_the_labels_that_a_card_declares() -> None:
    class Understates(Hoards):
        card = card(stores="labels")

    with pytest.raises(BrokenContract, match=r'write stores="samples" in its card, not "labels"'):
        CHECKS["stores_no_more_than_its_card_says"](Subject(Understates, {}))


LABELS = torch.arange(4).repeat(20)


@pytest.mark.parametrize(
    "other",
    [
        torch.tensor([3, 2, 0, 1]),  # counts, an order: as many as there are classes
        torch.arange(80) % 2,  # a mask
        torch.zeros(80),
        torch.arange(80),
        LABELS + 0.5,
        torch.eye(4),
    ],
)
def test_other_numbers_are_no_labels(other: Tensor) -> None:
    assert stored_labels({"other": other}, LABELS) == 0


def test_many_passes_that_the_card_declares_are_allowed() -> None:
    class Declares(ReadsTwice):
        card = card(passes="many")

    CHECKS["reads_an_update_once_unless_its_card_says_many"](Subject(Declares, {}))


@pytest.mark.parametrize(("others", "found"), [(0, 8), (100, 8), (248, 0)])
def test_few_samples_among_other_rows_are_no_store(others: int, found: int) -> None:
    """Importances of weights: the gradient of a unit that one sample alone drives is that one."""
    generator = torch.Generator().manual_seed(0)
    samples = torch.rand(30, 64, generator=generator)
    rows = torch.cat([samples[:8] * 0.01, torch.rand(others, 64, generator=generator)])
    assert stored_samples({"importance": rows}, samples) == found


def test_a_memory_that_is_hardly_filled_is_a_store() -> None:
    samples = torch.rand(30, 64, generator=torch.Generator().manual_seed(0))
    assert stored_samples({"memory": torch.cat([samples[:3], torch.zeros(500, 64)])}, samples) == 3


def test_stored_samples_that_the_card_declares_are_allowed() -> None:
    class Replays(Hoards):
        card = card(stores="samples")

    CHECKS["stores_no_more_than_its_card_says"](Subject(Replays, {}))


def test_too_much_state_is_found() -> None:
    with pytest.raises(BrokenContract, match=r"carries 71,\d+,\d+ bytes .* shorten carries"):
        CHECKS["carries_within_the_budget"](Subject(CarriesTooMuch, {}))


def test_past_data_that_the_card_does_not_need_are_refused_with_the_remedy() -> None:
    class Peeks(Good):
        def learn(self, view: View) -> None:
            list(view.batches(self.training, with_past=True))

    for check in list(CHECKS.values())[1:]:
        with pytest.raises(ClbenchError, match=r'declare needs=\("past",\)'):
            check(Subject(Peeks, {}))


def test_answers_of_the_wrong_width_are_refused() -> None:
    class Wide(Good):
        def predict(self, x: Tensor) -> Tensor:
            return nn.functional.pad(super().predict(x), (0, 1))

    with pytest.raises(ClbenchError, match=r"need .* a logit for each class seen so far"):
        CHECKS["same_seed_gives_same_bytes"](Subject(Wide, {}))


def test_state_that_is_neither_tensor_nor_plain_is_refused() -> None:
    class Arrays(Good):
        carries = ("model", "means")

        def build(self, space: Space) -> None:
            super().build(space)
            self.means = np.zeros(3)

    with pytest.raises(ClbenchError, match=r"state means is a ndarray; only tensors, .*numbers"):
        CHECKS["same_seed_gives_same_bytes"](Subject(Arrays, {}))


def test_what_a_card_needs_is_granted_in_the_contract() -> None:
    """A method that needs past data or task ids can be checked, though it is no control."""

    class Retrains(Good):
        card = card(needs=("past", "task-ids"))

        def learn(self, view: View) -> None:
            assert view.task == view.index
            self.model.grow(view.n_classes)
            step = self.training.start(self.model)
            for batch in view.batches(self.training, with_past=True):
                step(cross_entropy(self.model(batch.x), batch.y))

    assert broken(Subject(Retrains, {})) == {}
    assert small_stream(Retrains.card).protocol.past == "all"
    assert small_stream(Good.card).protocol.past == "none"
