"""Positive-congruent training by focal distillation (2011.09161)."""

from functools import partial
from typing import Literal

from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.lineage import Lineage
from clbench.model.losses import (
    Distance,
    focal_distillation,
    logit_difference,
    softened_divergence,
)


class PCT(Method):
    """A newer model is taught by the older one, most of all where that is right."""

    card = Card(
        name="pct",
        paper="2011.09161",
        family="compatibility",
        plays=("learn", "replace"),
        notes="The older model teaches the classes that it knows, in eval mode, on the batches as "
        "augmented for the newer. The paper tunes strength; 1 is ours. Divergences carry no "
        "factor T^2. Learn updates finetune.",
    )
    tunes = (
        LEARNING_RATE,
        Range("strength", 0.1, 100, log=True),
        Range("focus", 1, 20, log=True),
    )

    backbone: str = "mlp"
    backbones: str = Field("", description="of versions that replace, in turn, between semicolons")
    training: Training = Training()
    strength: float = Field(1.0, ge=0, description="lambda, the weight of distillation")
    base: float = Field(1.0, ge=0, description="alpha, what every sample weighs")
    focus: float = Field(5.0, ge=0, description="beta, what is added where the older is right")
    distance: Literal["divergence", "logits"] = "divergence"
    temperature: float = Field(5.0, gt=0, description="of the divergence")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = self.line = Lineage(self.backbone, self.backbones, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data."""
        fit(self.model, view, self.training)

    def replace(self, view: View) -> None:
        """Cross-entropy + lambda sum (alpha + beta [old right]) D(new, old)."""
        old = self.line.renew()
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits, teacher = self.model(batch.x), old(batch.x)
            right = teacher.argmax(1) == batch.y
            student = logits[:, : old.n_classes]
            focal = focal_distillation(
                student, teacher, right, self.base, self.focus, self._distance
            )
            step(cross_entropy(logits, batch.y) + self.strength * focal)

    @property
    def _distance(self) -> Distance:
        if self.distance == "logits":
            return logit_difference
        return partial(softened_divergence, temperature=self.temperature)
