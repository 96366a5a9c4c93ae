"""Every check of forgetting can fail: a small faulty method for each, and the remedy named."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.nn.functional import cross_entropy

from clbench.contract import CHECKS, FORGETTING, BrokenContract, Subject, checks_of
from clbench.errors import ClbenchError
from clbench.method import Card, Method, Training, View
from clbench_methods.finetune import Finetune

SMALL = {"backbone": "mlp,width=8,depth=1"}


def card(**changes: Any) -> Card:
    usual: dict[str, Any] = {"needs": ("retained", "forget-labels")}
    values = {"name": "faulty", "paper": "none", "family": "test", "plays": ("learn", "forget")}
    return Card(**(values | usual | changes))


class Good(Finetune):
    """One pass up the loss of what is to be forgotten and down that of what is retained."""

    card = card()
    unlearning: Training = Training(lr=0.01, epochs=1)

    def weigh(self, view: View) -> float:
        """A factor of the loss; faults put here what they should not know."""
        return 1.0

    def forget(self, view: View) -> None:
        step = self.unlearning.start(self.model)
        for gone, kept in view.pairs(self.unlearning):
            up = cross_entropy(self.model(gone.x), gone.y)
            step(self.weigh(view) * (cross_entropy(self.model(kept.x), kept.y) - 0.1 * up))


class Blind(Good):
    """The same without retained data and without labels: answers become uniform."""

    card = card(needs=())

    def forget(self, view: View) -> None:
        step = self.unlearning.start(self.model)
        for batch in view.batches(self.unlearning):
            assert batch.y.unique().tolist() == [-1]
            step(-self.weigh(view) * self.model(batch.x).log_softmax(1).mean())


class ForgetsAnyway(Good):
    def forget(self, view: View) -> None:
        step = self.unlearning.start(self.model)
        for batch in view.retained(self.unlearning):
            step(cross_entropy(self.model(batch.x), batch.y))


class ReadsAllSamples(Good):
    def weigh(self, view: View) -> float:
        return float(view._serving._samples.gather(torch.arange(1000)).float().mean()) / 128


class ReadsHiddenLabels(Blind):
    def weigh(self, view: View) -> float:
        return 1 + float(view._serving._samples.y[view._ids].float().mean())


class WidensItsView(Good):
    def forget(self, view: View) -> None:
        view._retained = view._serving._samples.y.ge(0).nonzero()[:, 0]
        super().forget(view)


class ByTheClock(Good):
    def weigh(self, view: View) -> float:
        return 1 + time.perf_counter() % 1


class RemembersInPassing(Good):
    """What it counts while it learns is not carried to where it is used."""

    def build(self, space: Any) -> None:
        super().build(space)
        self.learned = 0

    def learn(self, view: View) -> None:
        super().learn(view)
        self.learned = len(view)

    def weigh(self, view: View) -> float:
        return 1 + self.learned / 100


class WritesIntoTheSource(Good):
    def forget(self, view: View) -> None:
        super().forget(view)
        if len(view):
            view._serving._samples.y[view._ids] = 0


@pytest.mark.parametrize("kind", [Good, Blind])
@pytest.mark.parametrize("check", FORGETTING.values(), ids=lambda check: check.__name__)
def test_a_method_without_fault_keeps_the_contract(
    kind: type[Method], check: Callable[[Subject], None]
) -> None:
    check(Subject(kind, SMALL))


@pytest.mark.parametrize(
    ("kind", "check", "remedy"),
    [
        (ForgetsAnyway, "forgetting_nothing_changes_nothing", "`if not len.view.: return`"),
        (ReadsAllSamples, "forgetting_reads_only_what_is_granted", "use what view.batches"),
        (ReadsHiddenLabels, "forgetting_reads_only_what_is_granted", "samples or labels"),
        (WidensItsView, "forgetting_reads_only_what_is_granted", "do not write to a view's"),
        (ByTheClock, "forgetting_repeats_itself", "draw from view.generator"),
        (RemembersInPassing, "forgets_by_what_it_carries", "not carried: learned"),
        (WritesIntoTheSource, "forgetting_leaves_the_source_as_it_was", "write to the batches"),
    ],
)
def test_a_fault_breaks_its_check_and_is_told_the_remedy(
    kind: type[Method], check: str, remedy: str
) -> None:
    with pytest.raises(BrokenContract, match=remedy):
        FORGETTING[check](Subject(kind, SMALL))


def reading(how: Callable[[View, Training], Any]) -> type[Method]:
    """A method without needs that reads in some way as it forgets."""

    class Reads(Good):
        card = card(needs=())

        def forget(self, view: View) -> None:
            list(how(view, self.unlearning))

    return Reads


@pytest.mark.parametrize(
    "how",
    [
        lambda view, training: view.retained(training),
        lambda view, training: view.pairs(training),
        lambda view, training: view.retained_chunks(),
    ],
)
def test_retained_data_are_for_those_who_need_them(how: Callable[[View, Training], Any]) -> None:
    with pytest.raises(ClbenchError, match=r'not grant; declare needs=\("retained",\) in its card'):
        FORGETTING["forgetting_repeats_itself"](Subject(reading(how), SMALL))


def test_what_is_to_be_forgotten_is_kept_from_those_who_say_they_do_not_read_it() -> None:
    class Says(Good):
        card = card(needs=("retained",), retained_only=True)

        def forget(self, view: View) -> None:
            list(view.chunks())

    with pytest.raises(ClbenchError, match=r"its card says retained_only=True; use view.retained"):
        FORGETTING["forgetting_repeats_itself"](Subject(Says, SMALL))


def test_a_card_cannot_say_retained_only_without_the_need() -> None:
    with pytest.raises(ClbenchError, match=r'retained_only=True .* add "retained" to needs'):
        card(needs=(), retained_only=True)


def test_checks_of_forgetting_are_for_methods_that_forget() -> None:
    assert checks_of(Finetune) == CHECKS
    assert checks_of(Good) == CHECKS | FORGETTING
