"""Distillation without memory, as in the rehearsal-free study (2203.17269)."""

from typing import Literal

import torch
from torch.nn.functional import mse_loss

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.losses import (
    distillation,
    local_cross_entropy,
    sigmoid_cross_entropy,
    sigmoid_distillation,
)


class PredKD(Method):
    """Learns the new classes by themselves, and answers on the old ones as the last model did."""

    card = Card(
        name="pred_kd",
        paper="2203.17269",
        family="distillation",
        notes="form=sigmoid: a binary cross-entropy a class, on labels for the new classes and on "
        "the old model's probabilities for those it knew (also known as LwF.MC), summed over "
        "classes, mean over the batch. form=softmax: cross-entropy over the new classes alone and "
        "softened KL over the old. Old classes that come again count as new in their batch. "
        "lambda and the temperature are lwf's.",
    )
    tunes = (LEARNING_RATE, Range("strength", 0.1, 10, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    form: Literal["sigmoid", "softmax"] = "sigmoid"
    strength: float = Field(1.0, ge=0, description="lambda, the weight of distillation")
    temperature: float = Field(2.0, gt=0, description="of the softmax form")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Minimise the loss of the new classes + lambda times that of the old answers."""
        teacher, known = self.model.frozen_copy(), self.model.n_classes
        self.model.grow(view.n_classes)
        new = torch.tensor(view.classes, dtype=torch.int64, device=view.device)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits, sigmoid = self.model(batch.x), self.form == "sigmoid"
            fit = sigmoid_cross_entropy if sigmoid else local_cross_entropy
            loss = fit(logits, batch.y, new)
            if known:
                old, taught = logits[:, :known], teacher(batch.x)
                kept = (
                    sigmoid_distillation(old, taught)
                    if sigmoid
                    else distillation(old, taught, self.temperature)
                )
                loss = loss + self.strength * kept
            step(loss)


class FeatKD(Method):
    """Learns the new classes by themselves, and keeps the features of the last model."""

    card = Card(
        name="feat_kd",
        paper="2203.17269",
        family="distillation",
        notes="Squared distance of the penultimate features, mean over the batch and, so that "
        "backbones of all widths take one strength, over their entries; the study's is a sum over "
        "entries, and lambda is therefore ours. Cross-entropy runs over the new classes alone; "
        "old classes that come again are in the softmax of their batch.",
    )
    tunes = (LEARNING_RATE, Range("strength", 0.1, 1e3, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(10.0, ge=0, description="lambda, the weight of distillation")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Minimise the cross-entropy of the new classes + lambda |h - h_old|^2."""
        teacher, known = self.model.frozen_copy(), self.model.n_classes
        self.model.grow(view.n_classes)
        new = torch.tensor(view.classes, dtype=torch.int64, device=view.device)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            features = self.model.embed(batch.x)
            loss = local_cross_entropy(self.model.head(features), batch.y, new)
            if known:
                loss = loss + self.strength * mse_loss(features, teacher.embed(batch.x))
            step(loss)
