"""Experience replay with a reservoir (Chaudhry et al. 2019, 1902.10486)."""

import torch
from torch.nn.functional import cross_entropy

from clbench.memory import Reservoir
from clbench.method import Card, Field, Method, Network, Space, Training, View


class ER(Method):
    """Each step joins the new batch with one of the same size from memory, in one pass."""

    card = Card(
        name="er",
        paper="1902.10486",
        family="replay",
        stores="samples",
        notes="With several epochs, samples are offered to the reservoir in the first alone, "
        "so that it stays a uniform sample of the stream.",
    )
    carries = ("model", "memory")

    backbone: str = "mlp"
    training: Training = Training()
    buffer: int = Field(200, ge=1, description="samples that the memory holds")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory."""
        self.model = Network(self.backbone, space)
        self.memory = Reservoir(self.buffer, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on new and remembered samples, each counting the same."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            past_x, past_y = self.memory.sample(batch, view.generator)
            logits = self.model(torch.cat([batch.x, past_x]))
            step(cross_entropy(logits, torch.cat([batch.y, past_y])))
            if batch.first_pass:
                self.memory.add(batch, view.generator)
