"""Head-only edit: no label is answered that is to be forgotten, no feature changes; a control."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit


class HeadEdit(Method):
    """Distils the head to the original's answers, without the labels that are to be forgotten."""

    card = Card(
        name="head_edit",
        paper="2405.17878",
        family="control",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        control=True,
        notes="Adversarial: it looks forgetful from outside and forgets nothing inside. Where "
        "whole classes are forgotten it is head distillation, HD: the original's logits of these "
        "classes count as minus infinity on every sample. Of single samples the own label does, "
        "on that sample alone. Optimiser, rate, epochs and strength are ours; there is no "
        "augmentation, since features are computed once.",
    )
    tunes = (
        Range("unlearning.lr", 1e-4, 0.1, log=True),
        Range("strength", 1, 100, log=True),
    )

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(optimiser="adam", lr=1e-3, batch_size=256, epochs=20),
        description="how it trains the head at forget updates",
    )
    strength: float = Field(
        1.0, gt=0, description="weight of a sample to forget over that of a retained one"
    )

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise KL(original without forgotten labels | model) over the head's weights."""
        if not len(view):
            return
        batches = [*view.chunks(), *view.retained_chunks()]
        features = torch.cat([self.embed(batch.x) for batch in batches])
        y = torch.cat([batch.y for batch in batches])
        gone = torch.arange(len(y), device=y.device) < len(view)
        with torch.no_grad():
            targets = without_forgotten(self.model.head(features), y, gone).softmax(1)
        weight = torch.where(gone, self.strength, 1.0)
        step = self.unlearning.start(self.model.head)
        rows = torch.arange(len(y), device=y.device)
        for x, i in view.rehearse(features, rows, self.unlearning, self.unlearning.epochs):
            loss = cross_entropy(self.model.head(x), targets[i], reduction="none")
            step((weight[i] * loss).mean())


def without_forgotten(logits: Tensor, y: Tensor, gone: Tensor) -> Tensor:
    """Logits [n, C] with minus infinity for labels that are to be forgotten.

    Of samples to forget (`gone` [n]) that is the own label `y` [n]; on all samples, classes that no
    retained sample has, where some are to be forgotten.

    Raises:
        ClbenchError: a sample has no label left.
    """
    n_classes = logits.shape[1]
    hit, kept = (torch.bincount(y[which], minlength=n_classes) > 0 for which in (gone, ~gone))
    forgotten = (hit & ~kept).expand(len(y), -1).clone()
    forgotten[gone, y[gone]] = True
    if bool(forgotten.all(1).any()):
        raise ClbenchError(
            f"head_edit leaves no class to answer with: the model knows {n_classes}, and a sample "
            "to forget may answer with none; forget fewer classes, or grant retained data of them"
        )
    return logits.masked_fill(forgotten, float("-inf"))
