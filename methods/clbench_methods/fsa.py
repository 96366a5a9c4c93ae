"""First-session adaptation with a linear discriminant head (2303.13199)."""

from typing import Literal

import torch
from torch import Tensor

from clbench.method import Card, Field, Method, Space, Training, View
from clbench.model.prototypes import PooledScatter, discriminant
from clbench.model.session import FirstSession


class FSA(Method):
    """The first update adapts the backbone, then it is frozen; LDA on its features answers."""

    card = Card(
        name="fsa",
        paper="2303.13199",
        family="prototype",
        stores="statistics",
        passes="many",
        notes="FiLM trains the scale and shift of the normalisation layers, which is what FiLM "
        "layers after them amount to; batch statistics stay. The rate falls along a half cosine; "
        "that and the other training settings are aper's, not the paper's own. A backbone without "
        "parameters (identity) has no session.",
    )
    carries = ("session", "moments")

    backbone: str = "mlp"
    training: Training = Training(
        lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=48, epochs=20
    )
    form: Literal["full", "film"] = "full"
    ridge: float = Field(1.0, gt=0, description="epsilon, added to the covariance's diagonal")

    def build(self, space: Space) -> None:
        """Make the backbone, ready for its session, and empty moments."""
        self.session = FirstSession(self.backbone, space, self.form)
        self.model = self.session.network
        self.moments = PooledScatter(self.model.backbone.num_features, space.device)
        self._head: tuple[Tensor, Tensor] | None = None

    def learn(self, view: View) -> None:
        """Adapt in the first session; then update means and covariance."""
        self.session.learn(view, self.training)
        self.moments.classes.grow(view.n_classes)
        for batch in view.chunks():
            self.moments.add(self.embed(batch.x), batch.y)
        self._head = None

    def predict(self, x: Tensor) -> Tensor:
        """Discriminants of LDA with the classes' shares as priors, [B, classes seen]."""
        if self._head is None:
            covariance = self.moments.covariance()
            covariance.diagonal().add_(self.ridge)
            weight, bias = discriminant(self.moments.classes.means, covariance)
            tiny = torch.finfo(bias.dtype).tiny  # of a class without samples
            self._head = weight, bias + self.moments.classes.priors.clamp(min=tiny).log()
        weight, bias = self._head
        return torch.addmm(bias, self.embed(x).double(), weight)
