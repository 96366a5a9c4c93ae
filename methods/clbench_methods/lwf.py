"""Learning without forgetting (1606.09282), in its class-incremental form."""

from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.losses import distillation


class LwF(Method):
    """Cross-entropy on the new data plus distillation from the model before the update."""

    card = Card(
        name="lwf",
        paper="1606.09282",
        family="distillation",
        notes="Single head: cross-entropy runs over all classes seen, distillation over the "
        "classes that the old model knew, both on the new data. The paper's warm-up is left out.",
    )
    tunes = (
        LEARNING_RATE,
        Range("strength", 0.1, 10, log=True),
        Range("temperature", 1, 10, log=True),
    )

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(1.0, ge=0, description="lambda, the weight of distillation")
    temperature: float = Field(2.0, gt=0)

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Fit the new labels while answering as before on the old classes."""
        teacher, known = self.model.frozen_copy(), self.model.n_classes
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits = self.model(batch.x)
            loss = cross_entropy(logits, batch.y)
            if known:
                old = distillation(logits[:, :known], teacher(batch.x), self.temperature)
                loss = loss + self.strength * old
            step(loss)
