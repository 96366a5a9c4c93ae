"""RanPAC: ridge regression on a fixed random projection of features (2307.02251)."""

from dataclasses import replace
from typing import Literal

import torch
from torch import Tensor

from clbench.method import Card, Field, Method, Space, Training, View
from clbench.model.ridge import RidgeSums, choose_ridge
from clbench.model.session import FirstSession

RIDGES = tuple(10.0**k for k in range(-8, 9))


class RanPAC(Method):
    """f = ReLU(h W) with a Gaussian W that is never trained; the head is (G + l I)^-1 Q."""

    card = Card(
        name="ranpac",
        paper="2307.02251",
        family="prototype",
        stores="statistics",
        notes="What is carried grows with the square of the projection's dimensions, 400 MB at the "
        "paper's 10000; recipes of small streams ask for 2000. The ridge is chosen anew at each "
        "update, on the last 20 % of its features as they come, from one eigendecomposition; an "
        "update of one sample keeps the last choice. First-session adaptation is optional (form).",
    )
    carries = ("session", "sums", "chosen")
    quick = (("dimensions", 200),)
    tunes = ()  # each update chooses its ridge; the session is the paper's

    features: str = "identity"
    form: Literal["none", "full", "ssf", "adapter"] = "none"
    training: Training = Training(
        lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=48, epochs=20
    )
    dimensions: int = Field(10000, ge=1, description="M, of the projection")
    ridge: float | None = Field(None, gt=0, description="lambda, in place of the chosen one")

    def declared(self) -> Card:
        """A session takes passes of its own over the first update."""
        return self.card if self.form == "none" else replace(self.card, passes="many")

    def build(self, space: Space) -> None:
        """Make features, the projection (rebuilt from the seed, not carried) and empty sums."""
        self.session = FirstSession(self.features, space, self.form)
        self.model = self.session.network
        d = self.model.backbone.num_features
        self.projection = torch.randn(d, self.dimensions).double().to(space.device)
        self.sums = RidgeSums(self.dimensions, space.device)
        self.chosen = self.ridge or 1.0
        self._head: Tensor | None = None

    def learn(self, view: View) -> None:
        """Adapt in the first session; then choose the ridge and add to both sums."""
        self.session.learn(view, self.training)
        self.sums.grow(view.n_classes)
        if not len(view):
            return
        found = [(self.embed(batch.x), batch.y) for batch in view.chunks()]
        features, y = (torch.cat(parts) for parts in zip(*found, strict=True))
        projected = self._project(features)
        if self.ridge is None and len(y) > 1:
            self.chosen = choose_ridge(projected, y, view.n_classes, RIDGES)
        self.sums.add(projected, y)
        self._head = None

    def predict(self, x: Tensor) -> Tensor:
        """Ridge regression onto one-hot labels, [B, classes seen]."""
        if self._head is None:
            self._head = self.sums.solve(self.chosen)
        return self._project(self.embed(x)) @ self._head

    def _project(self, features: Tensor) -> Tensor:
        return (features.double() @ self.projection).relu()
