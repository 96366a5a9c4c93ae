"""Experience replay with asymmetric cross-entropy (2104.05025)."""

from torch.nn.functional import cross_entropy

from clbench.memory import Reservoir
from clbench.method import Card, Field, Method, Network, Space, Training, View
from clbench.model.losses import local_cross_entropy


class ERACE(Method):
    """New samples compete among the classes of their batch alone, remembered ones among all."""

    card = Card(
        name="er_ace",
        paper="2104.05025",
        family="replay",
        stores="samples",
        notes="While the memory is empty, cross-entropy runs over all classes. Memory draws are as "
        "large as the batch, and samples are offered to the reservoir in the first epoch alone, "
        "both as in er.",
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
        """Minimise the sum of both cross-entropies: old logits are pushed by old samples alone."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits = self.model(batch.x)
            if len(self.memory):
                past_x, past_y = self.memory.sample(batch, view.generator)
                new = local_cross_entropy(logits, batch.y, batch.y)
                step(new + cross_entropy(self.model(past_x), past_y))
            else:
                step(cross_entropy(logits, batch.y))
            if batch.first_pass:
                self.memory.add(batch, view.generator)
