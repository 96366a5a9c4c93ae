"""Do nothing: the model of the first update, for ever; the control that cannot forget."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Space, Training, View, evaluating


class DoNothing(Method):
    """Learns the first update as finetuning does; later updates of any kind change nothing."""

    card = Card(
        name="do_nothing",
        paper="unpublished: the model as it was",
        family="control",
        plays=("learn", "forget"),
        original="plain",
        control=True,
        notes="Classes that come after the first update get the lowest logit of those it knows, so "
        "that none is ever predicted and old predictions stay as they are.",
    )
    carries = ("model", "n_classes")

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)
        self.n_classes = 0

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the first update's data; afterwards count classes alone."""
        self.n_classes = view.n_classes
        if self.model.n_classes:
            return
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))

    def forget(self, view: View) -> None:
        """Keep everything."""

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, classes seen]: of known classes as ever, of the others the lowest of these."""
        with evaluating(self.model):
            logits: Tensor = self.model(x)
        missing = self.n_classes - logits.shape[1]
        if not missing:
            return logits
        return torch.cat([logits, logits.amin(1, keepdim=True).expand(-1, missing)], dim=1)
