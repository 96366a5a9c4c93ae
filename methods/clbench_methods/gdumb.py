"""GDumb: a greedy memory, and a model that is trained on it alone (ECCV 2020)."""

import copy

import torch
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from clbench.augment import cutmix
from clbench.memory import Balanced
from clbench.method import Card, Field, Method, Network, Space, Training, View


class GDumb(Method):
    """What is kept of the stream is a balanced memory; the model starts anew after each update."""

    card = Card(
        name="gdumb",
        paper="doi:10.1007/978-3-030-58536-5_31",
        family="replay",
        stores="samples",
        notes="Each update is read once, whatever epochs the protocol sets; the passes are over "
        "the memory. The rate falls along one half cosine to 0, so that any number of passes ends "
        "low; the paper, after a warm-up pass, restarts it after 1, 3, 7, ... passes and lets it "
        "fall from 0.05 to 0.0005 between. Images are cut and mixed as in the paper's runs on "
        "colour images (on MNIST it has cutmix=0); vectors are not. Gradients are not clipped; "
        "the authors' code does so at a norm of 10, for half precision.",
    )
    carries = ("model", "memory")
    quick = (("passes", 8),)

    backbone: str = "mlp"
    training: Training = Training(lr=0.05, momentum=0.9, weight_decay=1e-6, batch_size=16)
    buffer: int = Field(200, ge=1, description="samples that the memory holds")
    passes: int = Field(256, ge=1, description="over the memory, after each update")
    cutmix: float = Field(0.5, ge=0, le=1, description="probability that a batch is cut and mixed")

    def build(self, space: Space) -> None:
        """Make an empty memory and the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self.memory = Balanced(self.buffer, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Offer the update to the memory, once; then train a fresh model on the memory."""
        self.memory.check(view.n_classes)
        for batch in view.batches(self.training):
            if not batch.first_pass:
                break
            self.memory.add(batch, view.generator)
        self.model = copy.deepcopy(self._start)
        self.model.grow(view.n_classes)
        if len(self.memory):
            self._train(view)

    def _train(self, view: View) -> None:
        steps = self.passes * -(-len(self.memory) // self.training.batch_size)
        step = self.training.start(self.model, steps=steps)
        stored = self.memory.x, self.memory.y
        for x, y in view.rehearse(*stored, self.training, self.passes):
            step(self._loss(x, y, view.generator))

    def _loss(self, x: Tensor, y: Tensor, generator: Generator) -> Tensor:
        """Cross-entropy, of a mixed image towards both labels by their share of its area."""
        if torch.rand((), generator=generator) >= self.cutmix:
            return cross_entropy(self.model(x), y)
        x, other, share = cutmix(x, y, generator)
        logits = self.model(x)
        return share * cross_entropy(logits, y) + (1 - share) * cross_entropy(logits, other)
