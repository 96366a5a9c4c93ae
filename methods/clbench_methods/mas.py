"""Memory aware synapses (1711.09601)."""

from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.importance import QuadraticAnchor, output_sensitivity


class MAS(Method):
    """Cross-entropy plus a pull on the parameters to which the outputs are sensitive."""

    card = Card(
        name="mas",
        paper="1711.09601",
        family="regularisation",
        stores="statistics",
        passes="many",
        notes="Importance is the mean of per-sample magnitudes of the gradient of the squared norm "
        "of the logits, on the update's data in order and not augmented; it adds up over updates. "
        "The paper's local (Hebbian) form is left out. Its lambda of 1 diverges at learning rate "
        "0.1, where the limit is learning rate x lambda x importance = 1; the default is 0.1. With "
        "a single head and new classes it forgets as finetuning does: the known result.",
    )
    carries = ("model", "anchor")
    tunes = (LEARNING_RATE, Range("strength", 1e-3, 10, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(0.1, ge=0, description="lambda, the weight of the penalty")
    samples: int | None = Field(
        None, ge=1, description="samples of an update to find importance on, drawn; all if none"
    )

    def build(self, space: Space) -> None:
        """Make the network; there is nothing to protect yet."""
        self.model = Network(self.backbone, space)
        self.anchor = QuadraticAnchor()

    def learn(self, view: View) -> None:
        """Minimise cross-entropy + lambda sum Omega (theta - theta*)^2, then add to Omega."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            loss = cross_entropy(self.model(batch.x), batch.y)
            # The anchor's penalty is half the weighted sum of squares; the paper's is the sum.
            step(loss + 2 * self.strength * self.anchor.penalty(self.model))
        importance = output_sensitivity(self.model, view.chunks(at_most=self.samples))
        self.anchor.merge(importance, self.model, decay=1.0)
