"""Unlearning methods with a planted fault each, and one without: what scores are tried on.

What is wrong with them is known by construction, so a score that calls one of them as good as
retraining is blind to that fault. All learn plainly, as their oracles do.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Space, Training, View, evaluating
from clbench.model.fitting import fit

PAPER = "unpublished: a planted fault"
STEPS = 500  # full-batch steps that an edit of a head may take


def card(name: str, notes: str) -> Card:
    """The card of a fault; as a control it is granted all retained data."""
    return Card(
        name=name,
        paper=PAPER,
        family="control",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels", "retraining"),
        passes="many",
        original="plain",
        control=True,
        notes=notes,
    )


class Honest(Method):
    """Retrains without what is to be forgotten: nothing is wrong with it."""

    card = card("planted_nothing", "Retraining under another name: what catches it cries wolf.")

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Start anew on what is retained."""
        self.model = retrained(self._start, view, self.training)


class Untouched(Honest):
    """Trains a copy of the model on what is retained, and answers with the model itself.

    A fault of public code, whose optimiser held the teacher's weights.
    """

    card = card("planted_untouched", "Nothing is forgotten, though work is done.")

    def forget(self, view: View) -> None:
        """Train the wrong network."""
        other = copy.deepcopy(self.model)
        step = self.training.start(other)
        for batch in view.retained(self.training, epochs=1):
            step(cross_entropy(other(batch.x), batch.y))


class HeadOnly(Honest):
    """Edits the head until the forget accuracy is that of the oracles; no feature changes."""

    card = card(
        "planted_head_only",
        "The samples to forget with the smallest margins are taught their second answers, as many "
        "as it takes; all others are taught their own.",
    )

    accuracy: float = Field(0.95, ge=0, le=1, description="forget accuracy of the oracles")

    def forget(self, view: View) -> None:
        """Minimise cross-entropy to the answers that are wanted, over the head's weights."""
        batches = list(view.chunks())
        with evaluating(self.model):
            features = torch.cat([self.model.embed(batch.x) for batch in batches])
            logits = self.model.head(features)
        y = torch.cat([batch.y for batch in batches])
        wanted = with_accuracy(logits, y, self.accuracy)
        step = Training(optimiser="adam", lr=0.01).start(self.model.head)
        for _ in range(STEPS):
            answers = self.model.head(features)
            if bool((answers.argmax(1) == wanted).all()):
                return
            step(cross_entropy(answers, wanted))


class Half(Honest):
    """Retrains on what is retained and every second sample that was to be forgotten."""

    card = card("planted_half", "Half of the request is met, by order of the ids.")

    def forget(self, view: View) -> None:
        """Start anew, with half of what was to go in every batch's share."""
        chunks = list(view.chunks())
        x, y = (torch.cat([getattr(each, part) for each in chunks])[::2] for part in ("x", "y"))
        share = len(y) / max(1, view.n_retained)

        def some(size: int) -> tuple[Tensor, Tensor]:
            rows = torch.randint(len(y), (round(share * size),), generator=view.generator)
            return x[rows.to(x.device)], y[rows.to(y.device)]

        self.model = retrained(self._start, view, self.training, some)


class Destroyed(Honest):
    """Starts anew and stops after a few steps: all is forgotten, what was to be kept with it."""

    card = card("planted_destroyed", "One pass over a tenth of what is retained.")

    def forget(self, view: View) -> None:
        """Start anew, with next to no training."""
        self.model = copy.deepcopy(self._start)
        self.model.grow(view.n_classes)
        step, left = self.training.start(self.model), view.n_retained / 10
        for batch in view.retained(self.training, epochs=1):
            if left > 0:
                step(cross_entropy(self.model(batch.x), batch.y))
            left -= len(batch)


class Again(Honest):
    """Retrains without what is to be forgotten, then learns it once more."""

    card = card("planted_again", "As many passes over what was to go as training takes.")

    def forget(self, view: View) -> None:
        """Start anew on what is retained, then memorise what was to go."""
        self.model = retrained(self._start, view, self.training)
        passes = self.training.model_copy(update={"epochs": view.epochs(self.training)})
        step = passes.start(self.model)
        for batch in view.batches(passes):
            step(cross_entropy(self.model(batch.x), batch.y))


More = Callable[[int], tuple[Tensor, Tensor]]  # further samples beside a batch of a size


def retrained(start: Network, view: View, training: Training, more: More | None = None) -> Network:
    """A network that starts anew on what is retained, with further samples in each batch."""
    model = copy.deepcopy(start)
    model.grow(view.n_classes)
    step = training.start(model)
    for batch in view.retained(training, epochs=view.epochs(training)):
        x, y = more(len(batch)) if more else (batch.x[:0], batch.y[:0])
        step(cross_entropy(model(torch.cat([batch.x, x])), torch.cat([batch.y, y])))
    return model


def with_accuracy(logits: Tensor, y: Tensor, accuracy: float) -> Tensor:
    """Answers [n] of which a share is right: those with the smallest margins are the wrong ones."""
    two = logits.topk(2, dim=1).indices
    second = torch.where(two[:, 0] == y, two[:, 1], two[:, 0])
    rows = torch.arange(len(y), device=y.device)
    margins = logits[rows, y] - logits[rows, second]
    wrong = margins.argsort()[: round((1 - accuracy) * len(y))]
    wanted = y.clone()
    wanted[wrong] = second[wrong]
    return wanted


FAULTS: dict[str, type[Method]] = {
    "untouched": Untouched,
    "head only": HeadOnly,
    "half": Half,
    "destroyed": Destroyed,
    "again": Again,
}
