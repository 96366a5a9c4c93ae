"""SLCA: a slow learner, and its classifier aligned on class Gaussians (2303.05118)."""

import torch
from torch.nn.functional import cross_entropy, normalize

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.gaussians import ClassGaussians


class SLCA(Method):
    """The backbone learns a hundred times slower than the head, which is then aligned."""

    card = Card(
        name="slca",
        paper="2303.05118",
        family="prototype",
        stores="statistics",
        passes="many",
        notes="Logits are divided by their norm over all classes seen; public code averages the "
        "norms of the tasks, and pulls sampled means towards 0. It aligns from the second update "
        "on, and goes on training from the head as it was before; here the head that answers is "
        "the one that is carried. The rate falls along a half cosine, which suits any number of "
        "epochs; public code divides it by 10 after 18 of 20. A class that comes back has its "
        "Gaussian taken anew. Made for pretrained backbones: a random one hardly moves.",
    )
    carries = ("model", "gaussians")
    tunes = (LEARNING_RATE, Range("slow", 1e-3, 1, log=True))

    backbone: str = "mlp"
    training: Training = Training(
        lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=128, epochs=20
    )
    slow: float = Field(0.01, ge=0, description="the backbone's learning rate over the head's")
    samples: int = Field(256, ge=1, description="features drawn a class in each epoch of alignment")
    alignment: int = Field(5, ge=0, description="epochs of it")
    temperature: float = Field(0.1, gt=0, description="tau, of the normalised logits")

    def build(self, space: Space) -> None:
        """Make the network; no class is known."""
        self.model = Network(self.backbone, space)
        self.gaussians = ClassGaussians(self.model.backbone.num_features, space.device)

    def learn(self, view: View) -> None:
        """Train on the update's own classes, describe their features, align the head."""
        self.model.grow(view.n_classes)
        if not len(view):
            return
        present = torch.cat([batch.y for batch in view.chunks()]).unique()
        step = self.training.start(
            self.model, steps=view.steps(self.training), rates={"backbone": self.slow}
        )
        for batch in view.batches(self.training):
            local = self.model(batch.x)[:, present]
            step(cross_entropy(local, torch.searchsorted(present, batch.y)))
        found = [(self.embed(batch.x), batch.y) for batch in view.chunks()]
        features, y = (torch.cat(parts) for parts in zip(*found, strict=True))
        self.gaussians.fit(features, y, view.n_classes)
        self._align(view)

    def _align(self, view: View) -> None:
        """Retrain the head on features drawn from all Gaussians, with normalised logits."""
        size = int(self.gaussians.seen.sum())
        step = self.training.start(self.model.head, steps=self.alignment * size)
        for _ in range(self.alignment):
            x, y = self.gaussians.sample(self.samples, view.generator)
            for some in torch.randperm(len(y), generator=view.generator).split(self.samples):
                logits = normalize(self.model.head(x[some])) / self.temperature
                step(cross_entropy(logits, y[some]))
