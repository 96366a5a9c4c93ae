"""Backward-compatible training: new features that the old head can read (2003.11942)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError, listing
from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.lineage import Lineage


class BCT(Method):
    """A newer model's features serve the older one's head, and so its gallery, as well."""

    card = Card(
        name="bct",
        paper="2003.11942",
        family="compatibility",
        plays=("learn", "replace"),
        notes="The old head reads samples of the classes that it knows; the paper's rows for new "
        "classes, means of old features, are left out. Backbones must have equally many features. "
        "Strength 1 is ours. Learn updates "
        "finetune.",
    )
    tunes = (LEARNING_RATE, Range("strength", 0.1, 10, log=True))

    backbone: str = "mlp"
    backbones: str = Field("", description="of versions that replace, in turn, between semicolons")
    training: Training = Training()
    strength: float = Field(1.0, ge=0, description="lambda, the weight of the old head's loss")

    def build(self, space: Space) -> None:
        """Make the network.

        Raises:
            ClbenchError: backbones have unequal numbers of features.
        """
        self.model = self.line = Lineage(self.backbone, self.backbones, space)
        if len(set(self.line.widths)) > 1:
            names, widths = "; ".join(self.line.backbones), listing(map(str, self.line.widths))
            raise ClbenchError(
                f"bct hands new features to the old head; the features of {names} have {widths} "
                "dimensions: choose backbones with equally many"
            )

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data."""
        fit(self.model, view, self.training)

    def replace(self, view: View) -> None:
        """Cross-entropy of the new head + lambda cross-entropy of the old, frozen head."""
        old = self.line.renew()
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            features = self.model.embed(batch.x)
            loss = cross_entropy(self.model.head(features), batch.y)
            step(loss + self.strength * _influence(old, features, batch.y))


def _influence(old: Network, features: Tensor, y: Tensor) -> Tensor:
    """Cross-entropy of the old head on new features, over the samples whose class it knows."""
    known = y < old.n_classes
    if not bool(known.any()):
        return torch.zeros((), device=features.device)
    return cross_entropy(old.head(features[known]), y[known])
