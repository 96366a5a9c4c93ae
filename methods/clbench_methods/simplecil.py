"""SimpleCIL: class means as the weights of a cosine classifier (2303.07338)."""

from torch import Tensor

from clbench.method import Card, Method, Network, Space, View
from clbench.model.prototypes import ClassMeans


class SimpleCIL(Method):
    """A frozen backbone; a class's weight is the mean of its features, and the cosine answers."""

    card = Card(
        name="simplecil",
        paper="2303.07338",
        family="prototype",
        stores="statistics",
        notes="The same as nmc with distance=cosine. Features are the backbone's as it starts: "
        "never trained, and not carried.",
    )
    carries = ("prototypes",)

    features: str = "identity"

    def build(self, space: Space) -> None:
        """Make the fixed features and no prototypes."""
        self.model = Network(self.features, space)
        self.prototypes = ClassMeans(self.model.backbone.num_features, space.device)

    def learn(self, view: View) -> None:
        """Average the features of each class."""
        self.prototypes.grow(view.n_classes)
        for batch in view.chunks():
            self.prototypes.add(self.embed(batch.x), batch.y)

    def predict(self, x: Tensor) -> Tensor:
        """Cosine with each class mean, [B, classes seen]."""
        return self.prototypes.cosines(self.embed(x))
