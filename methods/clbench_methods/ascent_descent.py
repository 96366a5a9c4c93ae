"""Gradient ascent and descent in turns (GDA, 2410.23232)."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit


class AscentDescent(Method):
    """Each epoch climbs the loss of the samples to forget, then descends that of the retained."""

    card = Card(
        name="ascent_descent",
        paper="2410.23232",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="After the first ascent_epochs, epochs descend alone. One optimiser takes both kinds "
        "of steps, so momentum runs on between them. Defaults lie in the grid of public code, "
        "which tunes them for each set of samples.",
    )
    tunes = (
        Range("unlearning.lr", 5e-5, 5e-3, log=True),
        Range("unlearning.epochs", 5, 10),
        Range("ascent_epochs", 3, 5),
    )

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=1e-3, momentum=0.9, weight_decay=5e-4, batch_size=64, epochs=5),
        description="how it trains at forget updates",
    )
    ascent_epochs: int = Field(3, ge=0, description="epochs that begin with a pass of ascent")
    forget_batch_size: int = Field(64, ge=1, description="of the steps of ascent")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Alternate passes up on the samples to forget and down on the retained ones."""
        if not len(view):
            return
        step = self.unlearning.start(self.model)
        ascent = self.unlearning.model_copy(
            update={"epochs": 1, "batch_size": self.forget_batch_size}
        )
        for epoch in range(self.unlearning.epochs):
            if epoch < self.ascent_epochs:
                for batch in view.batches(ascent):
                    step(-cross_entropy(self.model(batch.x), batch.y))
            for batch in view.retained(self.unlearning, epochs=1):
                step(cross_entropy(self.model(batch.x), batch.y))
