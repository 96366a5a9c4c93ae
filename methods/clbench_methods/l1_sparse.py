"""Finetuning on retained samples under an l1 penalty that fades away (2304.04934)."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit


class L1Sparse(Method):
    """Prunes softly while finetuning on what is retained: a sparse network forgets more easily."""

    card = Card(
        name="l1_sparse",
        paper="2304.04934",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        retained_only=True,
        original="plain",
        notes="The sparsity-aware form, which prunes no weight for good. The penalty is the sum of "
        "magnitudes of all parameters, biases and normalisations too, as in the authors' code; its "
        "weight falls in equal parts from epoch to epoch. gamma is of the size that the paper "
        "tunes to; the default of the code, 0.2, is shared with another method.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("gamma", 1e-5, 1e-2, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=10),
        description="how it trains at forget updates",
    )
    gamma: float = Field(5e-4, ge=0, description="weight of the penalty in the first epoch")
    plain_epochs: int = Field(0, ge=0, description="epochs at the end without penalty")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise CE(retained) + gamma (1 - e / E) |theta|_1 in epoch e of E."""
        if not len(view):
            return
        step = self.unlearning.start(self.model)
        penalised = self.unlearning.epochs - self.plain_epochs
        for epoch in range(self.unlearning.epochs):
            weight = self.gamma * (1 - epoch / penalised) if epoch < penalised else 0.0
            for batch in view.retained(self.unlearning, epochs=1):
                loss = cross_entropy(self.model(batch.x), batch.y)
                step(loss + weight * sum(p.abs().sum() for p in self.model.parameters()))
