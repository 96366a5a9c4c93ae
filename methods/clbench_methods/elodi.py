"""ELODI: each version learns from an ensemble of its own kind (2205.06265)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import (
    LEARNING_RATE,
    Card,
    Field,
    Method,
    Network,
    Range,
    Space,
    Training,
    View,
)
from clbench.model.fitting import fit
from clbench.model.lineage import Lineage
from clbench.model.losses import top_logit_difference
from clbench.model.voting import answers


class ELODI(Method):
    """Versions that are each near the mean of many models like them are near one another."""

    card = Card(
        name="elodi",
        paper="2205.06265",
        family="compatibility",
        plays=("learn", "replace"),
        passes="many",
        notes="Members differ in their start and in the order and augmentation of their batches, "
        "are trained one after the other, and are not kept: an update costs members + 1 "
        "trainings. The older model has no part in the newer one's loss, as in the paper; public "
        "code adds distillation from it, and waits 5 epochs. A learn update of a model that knows "
        "classes already finetunes.",
    )
    tunes = (LEARNING_RATE, Range("weight", 0.1, 0.9))
    quick = (("members", 2),)

    backbone: str = "mlp"
    backbones: str = Field("", description="of versions that replace, in turn, between semicolons")
    training: Training = Training()
    members: int = Field(8, ge=1, description="models in the ensemble")
    weight: float = Field(0.4, ge=0, le=1, description="of distillation; cross-entropy: the rest")
    top: int = Field(10, ge=1, description="classes that are distilled, the ensemble's highest")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = self.line = Lineage(self.backbone, self.backbones, space)

    def learn(self, view: View) -> None:
        """The first version, trained as those that replace it are."""
        if self.model.n_classes:
            fit(self.model, view, self.training)
        else:
            self._train(view)

    def replace(self, view: View) -> None:
        """Start anew, with an ensemble of the new kind; the old model is not asked."""
        self.line.renew()
        self._train(view)

    def _train(self, view: View) -> None:
        """(1 - weight) cross-entropy + weight distance from the ensemble's mean logits."""
        self.model.grow(view.n_classes)
        ensemble = [self._member(view) for _ in range(self.members)]
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            teacher = _mean_logits(ensemble, batch.x)
            logits = self.model(batch.x)
            distance = top_logit_difference(logits, teacher, self.top).mean()
            step((1 - self.weight) * cross_entropy(logits, batch.y) + self.weight * distance)

    def _member(self, view: View) -> Network:
        member = self.line.sibling()
        fit(member, view, self.training)
        return member


def _mean_logits(ensemble: list[Network], x: Tensor) -> Tensor:
    return torch.stack(answers(ensemble, lambda member, x: member(x), x)).mean(0)
