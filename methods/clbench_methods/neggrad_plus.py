"""NegGrad+: descent on retained samples and ascent on those to forget in one loss (2302.09880)."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit


class NegGradPlus(Method):
    """Each step weighs the loss of a retained batch against that of a batch to forget."""

    card = Card(
        name="neggrad_plus",
        paper="2302.09880",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="An epoch is a pass over the retained data, with the samples to forget cycled beside "
        "it; each batch is passed by itself, as BatchNorm sees. Rate and epochs are those of "
        "2406.01257, alpha is that of 2410.01276; the paper tunes it.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("alpha", 0.8, 0.9999))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=5),
        description="how it trains at forget updates",
    )
    alpha: float = Field(0.95, ge=0, le=1, description="weight of the retained samples' loss")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise alpha CE(retained) - (1 - alpha) CE(to forget)."""
        step = self.unlearning.start(self.model)
        for gone, kept in view.pairs(self.unlearning):
            descent = cross_entropy(self.model(kept.x), kept.y)
            ascent = cross_entropy(self.model(gone.x), gone.y)
            step(self.alpha * descent - (1 - self.alpha) * ascent)
