"""The most frequent class, whatever the input; the control that reads no input."""

import torch
from torch import Tensor
from torch.nn.functional import pad

from clbench.method import Card, Method, Space, View


class Majority(Method):
    """Counts labels; the class counted most often so far answers, the first of equals."""

    card = Card(
        name="majority",
        paper="unpublished: the most frequent label",
        family="control",
        stores="statistics",
        control=True,
        notes="Logits are the logarithms of the counts, so that probabilities are the shares of "
        "the labels so far; a class without samples counts as half a one. Features are the inputs.",
    )
    carries = ("counts",)

    def build(self, space: Space) -> None:
        """Nothing is counted yet."""
        self.counts = torch.zeros(0, dtype=torch.int64, device=space.device)

    def learn(self, view: View) -> None:
        """Count the labels of the update."""
        self.counts = pad(self.counts, (0, view.n_classes - len(self.counts)))
        for batch in view.chunks():
            self.counts += batch.y.bincount(minlength=view.n_classes)

    def predict(self, x: Tensor) -> Tensor:
        """Log counts [B, classes seen], the same for every input."""
        return self.counts.clamp(min=0.5).log().expand(len(x), -1)

    def embed(self, x: Tensor) -> Tensor:
        """The inputs as vectors [B, d]."""
        return x.flatten(1)
