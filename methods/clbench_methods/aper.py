"""APER, first called ADAM: prototypes of pretrained and adapted features side by side."""

from typing import Literal

import torch
from torch import Tensor

from clbench.method import Card, Method, Space, Training, View, evaluating
from clbench.model.prototypes import ClassMeans
from clbench.model.session import FirstSession


class APER(Method):
    """SimpleCIL on concat[pretrained, adapted] features; the first update adapts."""

    card = Card(
        name="aper",
        paper="2303.07338",
        family="prototype",
        stores="statistics",
        passes="many",
        notes="form=finetune is the default since it works on any backbone; adapter (bottlenecks "
        "of width 64) needs a timm vision transformer, ssf linear or convolutional layers. SSF "
        "starts at the identity, and acts after a fused activation where a layer has one. Visual "
        "prompts are left out. The rate falls along a half cosine. The defaults are the authors' "
        "for adapter and ssf; their finetune takes 5 epochs in batches of 128. Pretrained "
        "features are not carried; what the session trained is.",
    )
    carries = ("session", "prototypes")

    backbone: str = "mlp"
    training: Training = Training(
        lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=48, epochs=20
    )
    form: Literal["finetune", "ssf", "adapter"] = "finetune"

    def build(self, space: Space) -> None:
        """Make the backbone twice with the same weights, one of them ready for its session."""
        self.session = FirstSession(
            self.backbone, space, "full" if self.form == "finetune" else self.form
        )
        self.model = self.session.network
        self.pretrained = self.model.frozen_copy()  # what is put in starts as the identity
        self.prototypes = ClassMeans(2 * self.model.backbone.num_features, space.device)

    def learn(self, view: View) -> None:
        """Adapt in the first session; then average the features of each class."""
        self.session.learn(view, self.training)
        self.prototypes.grow(view.n_classes)
        for batch in view.chunks():
            self.prototypes.add(self.embed(batch.x), batch.y)

    def predict(self, x: Tensor) -> Tensor:
        """Cosine with each class mean, [B, classes seen]."""
        return self.prototypes.cosines(self.embed(x))

    def embed(self, x: Tensor) -> Tensor:
        """Pretrained features beside adapted ones, [B, 2 d]."""
        with evaluating(self.pretrained):
            return torch.cat([self.pretrained.embed(x), self.session.embed(x)], dim=1)
