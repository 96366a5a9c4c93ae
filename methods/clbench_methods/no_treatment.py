"""No treatment: a newer model is trained as the older was; the baseline of updates."""

from clbench.method import Card, Field, Method, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.lineage import Lineage


class NoTreatment(Method):
    """Trains every version anew and pays no heed to what the older one answers."""

    card = Card(
        name="no_treatment",
        paper="2011.09161",
        family="control",
        plays=("learn", "replace"),
        control=True,
        notes="Learn updates finetune.",
    )

    backbone: str = "mlp"
    backbones: str = Field("", description="of versions that replace, in turn, between semicolons")
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = self.line = Lineage(self.backbone, self.backbones, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data."""
        fit(self.model, view, self.training)

    def replace(self, view: View) -> None:
        """Start anew and minimise cross-entropy."""
        self.line.renew()
        fit(self.model, view, self.training)
