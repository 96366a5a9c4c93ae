"""Gradient ascent on the samples to forget, also called NegGrad (1911.04933)."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit


class GradientAscent(Method):
    """Climbs the cross-entropy of the samples to forget, and looks at nothing else."""

    card = Card(
        name="gradient_ascent",
        paper="1911.04933",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("forget-labels",),
        original="plain",
        notes="Rate, epochs and batches are those of 2406.01257. The loss has no upper bound: with "
        "a larger rate the network diverges. Weight decay pulls as in training.",
    )
    tunes = (Range("unlearning.lr", 1e-5, 5e-2, log=True), Range("unlearning.epochs", 1, 10))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=1e-4, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=5),
        description="how it trains at forget updates",
    )

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Maximise cross-entropy on the samples to forget."""
        step = self.unlearning.start(self.model)
        for batch in view.batches(self.unlearning):
            step(-cross_entropy(self.model(batch.x), batch.y))
