"""Unlearning in the last k layers: forget by finetuning them, or by training them anew."""

import copy

from torch.nn.functional import cross_entropy

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.layers import check_last, last_alone, renew_last


class CFk(Method):
    """Catastrophic forgetting: the last k layers are finetuned on what is retained."""

    card = Card(
        name="cf_k",
        paper="2201.06640",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        retained_only=True,
        original="plain",
        notes="The paper tunes k and trains as long as the original; rate, epochs and batches are "
        "those of 2310.12508 for finetuning. A layer is a linear or convolutional one with what "
        "normalises it; running statistics of frozen layers stay.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("k", 1, 3))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=0.01, momentum=0.9, weight_decay=5e-4, batch_size=256, epochs=10),
        description="how it trains at forget updates",
    )
    k: int = Field(2, ge=1, description="layers that are trained, the head among them")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)
        check_last(self.model, self.k, self.card.name)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise cross-entropy on the retained samples in the last k layers."""
        if len(view):
            train_last(self.model, self.k, view, self.unlearning)


class EUk(CFk):
    """Exact unlearning of the last k layers: they are trained anew on what is retained."""

    card = Card(
        name="eu_k",
        paper="2201.06640",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        retained_only=True,
        original="plain",
        notes="The layers go back to the weights that the run started with. Otherwise as cf_k; "
        "with all layers, and trained as the original was, it is training anew.",
    )

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        super().build(space)
        self._start = copy.deepcopy(self.model)

    def forget(self, view: View) -> None:
        """Put the last k layers back, and minimise cross-entropy on the retained samples."""
        if not len(view):
            return
        start = copy.deepcopy(self._start)
        start.grow(self.model.n_classes)
        renew_last(self.model, start, self.k)
        train_last(self.model, self.k, view, self.unlearning)


def train_last(model: Network, k: int, view: View, training: Training) -> None:
    """Minimise cross-entropy on retained samples, with all but the last k layers frozen."""
    with last_alone(model, k):
        step = training.start(model)
        for batch in view.retained(training):
            step(cross_entropy(model(batch.x), batch.y))
