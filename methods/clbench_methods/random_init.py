"""Random initialisation: the network as it was before it learned anything; a control."""

import copy

from clbench.method import Card, Method, Network, Space, Training, View
from clbench.model.fitting import fit


class RandomInit(Method):
    """Forgets everything."""

    card = Card(
        name="random_init",
        paper="unpublished: the model before training",
        family="control",
        plays=("learn", "forget"),
        original="plain",
        control=True,
        notes="The weights that the run started with: those of the original, and of the retrained "
        "control. A pretrained backbone is as it came; the head is drawn anew.",
    )

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Go back to the start."""
        if len(view):
            self.model = copy.deepcopy(self._start)
            self.model.grow(view.n_classes)
