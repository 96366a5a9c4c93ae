"""Joint training: at every update a fresh model on all data so far; the upper control."""

import copy

from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Space, Training, View


class Joint(Method):
    """Retraining from scratch on the union of all updates."""

    card = Card(
        name="joint",
        paper="Caruana 1997, doi:10.1023/A:1007379606734",
        family="control",
        needs=("past",),
        control=True,
        notes="As many epochs over the union as other methods spend on an update, each time from "
        "the weights that a run of that seed starts with.",
    )

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Start anew and minimise cross-entropy on everything seen."""
        self.model = copy.deepcopy(self._start)
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training, with_past=True):
            step(cross_entropy(self.model(batch.x), batch.y))
