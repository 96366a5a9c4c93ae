"""Deep SLDA: streaming linear discriminant analysis on frozen features (1909.01520)."""

import torch
from torch import Tensor

from clbench.method import Card, Field, Method, Network, Range, Space, View
from clbench.model.prototypes import PooledScatter, discriminant


class SLDA(Method):
    """Running class means and one running covariance; its shrunk inverse answers."""

    card = Card(
        name="slda",
        paper="1909.01520",
        family="prototype",
        stores="statistics",
        notes="The covariance is exact in any order; the paper's recursion weighs a sample by the "
        "count of all samples rather than of its class, so that first samples of a class weigh "
        "more. Streaming starts with the first sample: the paper's base session on many classes, "
        "with its own shrinkage, is left out. Features are never trained, and not carried.",
    )
    carries = ("moments",)
    tunes = (Range("shrinkage", 1e-6, 0.1, log=True),)

    features: str = "identity"
    shrinkage: float = Field(1e-4, gt=0, le=1, description="epsilon, the share of the identity")

    def build(self, space: Space) -> None:
        """Make the fixed features and empty moments."""
        self.model = Network(self.features, space)
        self.moments = PooledScatter(self.model.backbone.num_features, space.device)
        self._head: tuple[Tensor, Tensor] | None = None

    def learn(self, view: View) -> None:
        """Update means and covariance; nothing is inverted."""
        self.moments.classes.grow(view.n_classes)
        for batch in view.chunks():
            self.moments.add(self.embed(batch.x), batch.y)
        self._head = None

    def predict(self, x: Tensor) -> Tensor:
        """Discriminants f' L m - m' L m / 2 with L = ((1 - e) S + e I)^-1, [B, classes seen]."""
        if self._head is None:  # the first question after an update
            covariance = (1 - self.shrinkage) * self.moments.covariance()
            covariance.diagonal().add_(self.shrinkage)
            self._head = discriminant(self.moments.classes.means, covariance)
        weight, bias = self._head
        return torch.addmm(bias, self.embed(x).double(), weight)
