"""Weight averaging as an update (WiSE-FT, 2109.01903)."""

from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.averaging import interpolate


class Averaging(Method):
    """Finetunes, then goes only a part of the way from the old weights to the new."""

    card = Card(
        name="averaging",
        paper="2109.01903",
        family="merging",
        plays=("learn", "replace"),
        notes="Rows of the head for new classes have no old value and stay as trained; BatchNorm's "
        "running statistics are interpolated as weights are. The first update is finetuning, also "
        "on a pretrained backbone, where the paper has its only interpolation. A newer "
        "version starts from the older one's weights, on all that it may learn from; weights of "
        "different starts or backbones have no mean that works.",
    )
    tunes = (LEARNING_RATE, Range("alpha", 0.1, 1))

    backbone: str = "mlp"
    training: Training = Training()
    alpha: float = Field(0.5, ge=0, le=1, description="share of the new weights")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Finetune, then theta <- (1 - alpha) theta_old + alpha theta."""
        old, known = self.model.frozen_copy(), self.model.n_classes
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))
        if known:
            interpolate(self.model, old, self.alpha)

    def replace(self, view: View) -> None:
        """The same, over all that the newer version may learn from."""
        self.learn(view)
