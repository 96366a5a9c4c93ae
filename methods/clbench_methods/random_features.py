"""Nearest mean on a network that was never trained: what its architecture gives for nothing."""

from torch import Tensor

from clbench.method import Card, Method, Space, State, View
from clbench.spec import Spec, parse_spec
from clbench_methods.nmc import NMC


class RandomFeatures(Method):
    """The nearest class mean, on features of the stream's backbone as it is drawn at random."""

    card = Card(
        name="random_features",
        paper="2210.04428",
        family="control",
        stores="statistics",
        control=True,
        notes="NMC with Euclidean distance, on the backbone that other methods train; pretrained "
        "weights are left out of its spec. The weights are drawn anew from the run's seed.",
    )
    carries = ()  # what is carried is NMC's state

    backbone: str = "mlp"

    def build(self, space: Space) -> None:
        """Draw the network, and no means yet."""
        self.nmc = NMC(features=untrained(self.backbone))
        self.nmc.build(space)

    def learn(self, view: View) -> None:
        """Add each sample to the mean of its class."""
        self.nmc.learn(view)

    def predict(self, x: Tensor) -> Tensor:
        """Minus the squared distance to each class mean, [B, classes seen]."""
        return self.nmc.predict(x)

    def embed(self, x: Tensor) -> Tensor:
        """Random features [B, d]."""
        return self.nmc.embed(x)

    def state(self) -> State:
        """The class means; the network is drawn again."""
        return self.nmc.state()

    def load(self, state: State) -> None:
        """Take over class means."""
        self.nmc.load(state)


def untrained(backbone: str) -> str:
    """The spec of a backbone without its pretrained weights."""
    spec = parse_spec(backbone)
    options = {name: value for name, value in spec.options.items() if name != "weights"}
    return str(Spec(spec.name, options))
