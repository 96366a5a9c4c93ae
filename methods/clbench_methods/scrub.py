"""SCRUB: move away from a teacher on samples to forget, stay near it on the rest (2302.09880)."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Batch, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.averaging import Weights, snapshot
from clbench.model.fitting import fit
from clbench.model.held_out import HeldOut
from clbench.model.losses import distillation


class Scrub(Method):
    """A student leaves its teacher, the model as it was, on what is to be forgotten alone."""

    card = Card(
        name="scrub",
        paper="2302.09880",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        original="plain",
        notes="Defaults are those of the authors' large-scale notebook, which would divide lr "
        "by 10 after the third epoch, its last; here more epochs keep the rate. form=scrub_r "
        "rewinds to the epoch whose error on the samples to forget is nearest to that of the last "
        "on held-out samples of their classes, weighed by how often each class is to be forgotten. "
        "Those are kept out of all training from the first update on, so that form has an original "
        "of its own; they are chosen by their numbers, and nothing of them is stored.",
    )
    tunes = (
        Range("unlearning.lr", 5e-5, 5e-3, log=True),
        Range("alpha", 1e-3, 1, log=True),
        Range("max_epochs", 1, 3),
    )

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=5e-4, momentum=0.9, weight_decay=5e-4, batch_size=128, epochs=3),
        description="how it trains at forget updates",
    )
    form: Literal["scrub", "scrub_r"] = "scrub"
    gamma: float = Field(0.99, ge=0, description="weight of cross-entropy on retained samples")
    alpha: float = Field(1e-3, ge=0, description="weight of the teacher on retained samples")
    temperature: float = Field(4.0, gt=0, description="T of the divergences")
    max_epochs: int = Field(2, ge=0, description="epochs that begin with a pass of maximising")
    forget_batch_size: int = Field(32, ge=1, description="of the steps of maximising")
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of all samples that scrub_r never trains on"
    )

    def declared(self) -> Card:
        """The card; rewinding reads labels, and what it holds out makes the original its own."""
        if self.form == "scrub":
            return self.card
        return replace(self.card, needs=("retained", "forget-labels"), original="own")

    def build(self, space: Space) -> None:
        """Make the network, and choose what scrub_r holds out."""
        self.model = Network(self.backbone, space)
        self._held = HeldOut.drawn(self.held_out) if self.form == "scrub_r" else None

    def learn(self, view: View) -> None:
        """Train plainly, but on what is held out."""
        if self._held is None:
            fit(self.model, view, self.training)
            return
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for x, y in self._held.others(view.batches(self.training)):
            step(cross_entropy(self.model(x), y))

    def forget(self, view: View) -> None:
        """Maximise on samples to forget and minimise on the retained, in turn."""
        if not len(view):
            return
        teacher, epochs = self.model.frozen_copy(), list[Weights]()
        step = self.unlearning.start(self.model)
        minimising = self.unlearning.model_copy(update={"epochs": 1})
        maximising = minimising.model_copy(update={"batch_size": self.forget_batch_size})
        for epoch in range(self.unlearning.epochs):
            if epoch < self.max_epochs:
                for x, _ in self._used(view.batches(maximising)):
                    step(-distillation(self.model(x), teacher(x), self.temperature))
            for x, y in self._used(view.retained(minimising)):
                logits = self.model(x)
                near = distillation(logits, teacher(x), self.temperature)
                step(self.gamma * cross_entropy(logits, y) + self.alpha * near)
            if self._held:
                epochs.append(snapshot(self.model))
        if self._held:
            self._rewind(epochs, view, self._held)

    def _used(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        if self._held:
            return self._held.others(batches)
        return ((batch.x, batch.y) for batch in batches)

    def _rewind(self, epochs: list[Weights], view: View, held: HeldOut) -> None:
        """Go back to where samples to forget are as wrong as held-out ones are in the end."""
        gone = list(view.chunks())
        asked = torch.cat([batch.y for batch in gone])
        found = [(batch, held.holds(batch.ids)) for batch in (*gone, *view.retained_chunks())]
        wrong = torch.cat([self._wrong(batch.x[mine], batch.y[mine]) for batch, mine in found])
        labels = torch.cat([batch.y[mine] for batch, mine in found])
        wanted = expected_error(wrong, labels, asked)
        gaps = []
        for weights in epochs:
            self.model.load_state_dict(weights)
            error = torch.cat([self._wrong(batch.x, batch.y) for batch in gone]).mean()
            gaps.append(abs(float(error) - wanted))
        self.model.load_state_dict(epochs[gaps.index(min(gaps))])

    def _wrong(self, x: Tensor, y: Tensor) -> Tensor:
        return (self.predict(x).argmax(1) != y).double()


def expected_error(wrong: Tensor, labels: Tensor, asked: Tensor) -> float:
    """The error on held-out samples, were their classes as frequent as among those asked about.

    `wrong` [m] is 1 where the answer on a held-out sample of class `labels` [m] is wrong, `asked`
    [n] are the labels of other samples. Classes without held-out samples are left out.

    Raises:
        ClbenchError: no held-out sample is of a class that is asked about.
    """
    classes = [c for c in asked.unique() if bool((labels == c).any())]
    if not classes:
        raise ClbenchError(
            "scrub_r finds no held-out sample of the classes to forget, to compare with; raise "
            "held_out, grant more retained data, or set form=scrub"
        )
    shares = torch.stack([(asked == c).double().mean() for c in classes])
    errors = torch.stack([wrong[labels == c].mean() for c in classes])
    return float((shares * errors).sum() / shares.sum())
