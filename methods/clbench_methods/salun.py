"""SalUn: relabelling that moves salient weights alone (2310.12508)."""

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.masking import holding, most_salient
from clbench_methods.relabel import relabel


class SalUn(Method):
    """Random labels move the weights whose gradient on the samples to forget is largest."""

    card = Card(
        name="salun",
        paper="2310.12508",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="Relabels as random_label does. Held weights are put back after each step, whatever "
        "weight decay and momentum do; public code masked gradients alone for two years. The "
        "gradient is summed over samples, so it does not depend on batches. Running statistics of "
        "BatchNorm are no weights, and move.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("share", 0.1, 1))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.013, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=10),
        description="how it trains at forget updates",
    )
    share: float = Field(0.5, gt=0, le=1, description="of all weights, that may move")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Find the salient weights, and relabel with the others held."""
        if not len(view):
            return
        salient = most_salient(self.model, view.chunks(), self.share)
        step = holding(self.unlearning.start(self.model), self.model, salient)
        relabel(self.model, view, self.unlearning, step)
