"""Nearest mean classifier on fixed features (2210.04428)."""

from typing import Literal

from torch import Tensor

from clbench.method import Card, Method, Network, Space, View
from clbench.model.prototypes import ClassMeans


class NMC(Method):
    """Running class means of features; the nearest mean answers. Any order of data is the same."""

    card = Card(
        name="nmc",
        paper="2210.04428",
        family="prototype",
        stores="statistics",
        notes="Features are the backbone's as it starts, never trained: pixels or the vectors of "
        "an embedded source (identity), or a pretrained network. Not carried, so not in its state.",
    )
    carries = ("prototypes",)

    features: str = "identity"
    distance: Literal["euclidean", "cosine"] = "euclidean"

    def build(self, space: Space) -> None:
        """Make the fixed features and empty sums."""
        self.model = Network(self.features, space)
        self.prototypes = ClassMeans(self.model.backbone.num_features, space.device)

    def learn(self, view: View) -> None:
        """Add each sample to the sum of its class."""
        self.prototypes.grow(view.n_classes)
        for batch in view.chunks():
            self.prototypes.add(self.embed(batch.x), batch.y)

    def predict(self, x: Tensor) -> Tensor:
        """Minus the squared distance to each mean, or the cosine with it, [B, classes seen]."""
        features, means = self.embed(x).double(), self.prototypes.means
        if self.distance == "cosine":
            return self.prototypes.cosines(features)
        # |f|^2 - 2 f.m + |m|^2, in double precision, in which nothing is lost here.
        squares = features.square().sum(1, keepdim=True) + means.square().sum(1)
        logits: Tensor = 2 * features @ means.T - squares
        return logits
