"""Nearest mean classifier on fixed features (2210.04428)."""

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad

from clbench.method import Card, Method, Network, Space, View, evaluating


class NMC(Method):
    """Running class means of features; the nearest mean answers. Any order of data is the same."""

    card = Card(
        name="nmc",
        paper="2210.04428",
        family="prototype",
        notes="Features are the backbone's as it starts, never trained: pixels or the vectors of "
        "an embedded source (identity), or a pretrained network. Not carried, so not in its state.",
    )
    carries = ("sums", "counts")

    features: str = "identity"
    distance: Literal["euclidean", "cosine"] = "euclidean"

    def build(self, space: Space) -> None:
        """Make the fixed features and empty sums, in double precision."""
        self.model = Network(self.features, space)
        d = self.model.backbone.num_features
        self.sums = torch.zeros(0, d, dtype=torch.float64, device=space.device)
        self.counts = torch.zeros(0, dtype=torch.float64, device=space.device)

    def learn(self, view: View) -> None:
        """Add each sample to the sum of its class."""
        new = view.n_classes - len(self.counts)
        self.sums, self.counts = pad(self.sums, (0, 0, 0, new)), pad(self.counts, (0, new))
        for batch in view.chunks():
            features = self._features(batch.x)
            self.sums.index_add_(0, batch.y, features)
            self.counts.index_add_(0, batch.y, torch.ones_like(features[:, 0]))

    def predict(self, x: Tensor) -> Tensor:
        """Minus the squared distance to each mean, or the cosine with it, [B, classes seen]."""
        features, means = self._features(x), self.sums / self.counts.clamp(min=1)[:, None]
        if self.distance == "cosine":
            return normalize(features) @ normalize(means).T
        # |f|^2 - 2 f.m + |m|^2, in double precision, in which nothing is lost here.
        squares = features.square().sum(1, keepdim=True) + means.square().sum(1)
        logits: Tensor = 2 * features @ means.T - squares
        return logits

    def _features(self, x: Tensor) -> Tensor:
        with evaluating(self.model):
            return self.model.embed(x).double()
