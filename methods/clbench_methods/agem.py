"""Averaged gradient episodic memory (1812.00420)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.memory import Exemplars, Reservoir
from clbench.method import Card, Field, Method, Network, Space, Training, View


class AGEM(Method):
    """A step never goes, to first order, up the loss on what is remembered of past updates."""

    card = Card(
        name="agem",
        paper="1812.00420",
        family="replay",
        stores="samples",
        notes="The paper gives a task its own samples and head; here one memory of fixed size is "
        "shared equally by all updates so far, each with a uniform sample of its data, and the "
        "head is single: with new classes it stays close to finetune, the known result.",
    )
    carries = ("model", "memory")

    backbone: str = "mlp"
    training: Training = Training()
    buffer: int = Field(200, ge=1, description="samples that the memory holds")
    reference: int = Field(256, ge=1, description="remembered samples whose gradient is respected")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory."""
        self.space = space
        self.model = Network(self.backbone, space)
        self.memory = Exemplars(self.buffer, space)

    def learn(self, view: View) -> None:
        """Step along the projected gradient; then remember some of the update's samples."""
        fresh = Reservoir(self.memory.share(view.index + 1, "updates"), self.space)
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            g = self._gradient(batch.x, batch.y)
            if len(self.memory):
                past = self.memory.sample(batch, view.generator, count=self.reference)
                g = projected(g, self._gradient(*past))
            step(self._flat() @ g)  # a loss whose gradient is g
            if batch.first_pass:
                fresh.add(batch, view.generator)
        if len(fresh):
            self.memory.put(view.index, fresh.x, fresh.y)

    def _gradient(self, x: Tensor, y: Tensor) -> Tensor:
        loss = cross_entropy(self.model(x), y)
        found = torch.autograd.grad(loss, self._trained(), materialize_grads=True)
        return torch.cat([g.flatten() for g in found])

    def _flat(self) -> Tensor:
        return torch.cat([p.flatten() for p in self._trained()])

    def _trained(self) -> list[nn.Parameter]:
        return [p for p in self.model.parameters() if p.requires_grad]


def projected(g: Tensor, r: Tensor) -> Tensor:
    """The vector nearest to g [P] with no component against r [P]: g itself unless g.r < 0."""
    along = g @ r
    return g - along / (r @ r) * r if along < 0 else g
