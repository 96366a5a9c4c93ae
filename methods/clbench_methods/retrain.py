"""Retraining: training anew without what is to be forgotten; the oracle of every forget request."""

import copy

from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Space, Training, View


class Retrain(Method):
    """Exact unlearning: a model that never saw the forgotten samples."""

    card = Card(
        name="retrain",
        paper="Cao and Yang 2015, doi:10.1109/SP.2015.35",
        family="control",
        plays=("learn", "forget"),
        needs=("retained", "retraining"),
        retained_only=True,
        original="plain",
        control=True,
        notes="Starts from the weights that a run of that seed starts with, and passes over all "
        "that is retained as often as learning passes over an update: over the union of what "
        "several updates taught, not update by update. A request for nothing changes nothing.",
    )

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data, as finetuning does."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))

    def forget(self, view: View) -> None:
        """Start anew and minimise cross-entropy on what is retained."""
        if not len(view):
            return
        self.model = copy.deepcopy(self._start)
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.retained(self.training, epochs=view.epochs(self.training)):
            step(cross_entropy(self.model(batch.x), batch.y))
