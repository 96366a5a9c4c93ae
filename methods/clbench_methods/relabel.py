"""Relabelling: learn wrong labels for the samples to forget, anew each time or once for all."""

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.relabelling import wrong_labels


class RandomLabel(Method):
    """Each epoch learns random wrong labels of the samples to forget, then the retained data."""

    card = Card(
        name="random_label",
        paper="1911.04933",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="The form that SalUn (2310.12508) builds on, with the rate, epochs and batches of "
        "its code. That code takes passes in turn on one data set and mixes the samples on "
        "others; here they are always in turn, so a batch is of one kind. Labels are drawn anew "
        "for each batch from the classes that a sample does not have, as the paper says; the code "
        "draws from all.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("unlearning.epochs", 1, 10))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.013, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=10),
        description="how it trains at forget updates",
    )

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise cross-entropy on random labels and on the retained samples' own, in turn."""
        if len(view):
            relabel(self.model, view, self.unlearning, self.unlearning.start(self.model))


def relabel(model: Network, view: View, training: Training, step: Callable[[Tensor], None]) -> None:
    """Epochs of a pass over the samples to forget, wrongly labelled, and one over the retained."""
    once = training.model_copy(update={"epochs": 1})
    for _ in range(training.epochs):
        for batch in view.batches(once):
            wrong = wrong_labels(batch.y, view.n_classes, view.generator)
            step(cross_entropy(model(batch.x), wrong))
        for batch in view.retained(once):
            step(cross_entropy(model(batch.x), batch.y))


class Amnesiac(Method):
    """Relabels the samples to forget once, and trains on them and all retained data as one set."""

    card = Card(
        name="amnesiac",
        paper="2010.10981",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="The paper's relabelling (unlearning), not its amnesiac unlearning, which subtracts "
        "the stored updates of the batches that held a sample. Optimiser, rate, epochs and batches "
        "are those that the authors of 2205.08096 compare with.",
    )
    tunes = (Range("unlearning.lr", 1e-5, 1e-2, log=True), Range("unlearning.epochs", 1, 10))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(optimiser="adam", lr=1e-4, batch_size=128, epochs=3),
        description="how it trains at forget updates",
    )

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise cross-entropy on all samples, those to forget with a wrong label each."""
        if not len(view):
            return
        found = [
            (batch.raw, wrong_labels(batch.y, view.n_classes, view.generator))
            for batch in view.chunks()
        ]
        found += [(batch.raw, batch.y) for batch in view.retained_chunks()]
        raw, y = (torch.cat(parts) for parts in zip(*found, strict=True))
        step = self.unlearning.start(self.model)
        for x, labels in view.rehearse(raw, y, self.unlearning, self.unlearning.epochs):
            step(cross_entropy(self.model(x), labels))
