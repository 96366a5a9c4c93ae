"""Influence unlearning (1703.04730; 2008.10397) with WoodFisher's inverse (2004.14340)."""

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.woodfisher import (
    check_room,
    gradient_rows,
    inverse_fisher_product,
    loss_gradient,
    shift,
)


class Influence(Method):
    """One Newton step from the optimum on all data towards the one on the retained data."""

    card = Card(
        name="influence",
        paper="1703.04730",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="The weights move by alpha H^-1 times the gradient of (share forgotten) x (mean loss "
        "to forget - mean loss to retain), where alpha=1 is the Newton step if the original is at "
        "its optimum. H is the empirical Fisher of N retained samples plus damping; it stands for "
        "the Hessian, as in WoodFisher, which gets its inverse by N rank-1 updates: here they are "
        "one solve. Public code for unlearning keeps one vector where these updates need one each, "
        "and so inverts another matrix. alpha, N and damping are that code's. Where a part of the "
        "retained data is granted, it counts as all that is retained.",
    )
    tunes = (Range("alpha", 1e-2, 100, log=True), Range("damping", 1e-3, 10, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    alpha: float = Field(0.2, ge=0, description="length of the step")
    samples: int = Field(1000, ge=1, description="N, retained samples in the Fisher")
    damping: float = Field(1.0, gt=0, description="added to the Fisher's diagonal")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly, unless the Fisher of what may be retained could not be held."""
        granted = round((view.protocol.retained or 0) * len(view))
        self.model.grow(view.n_classes)
        check_room(self.model, min(self.samples, granted))
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Ascend what is to be forgotten and descend the rest, in the metric of the Fisher."""
        if not len(view):
            return
        count = min(self.samples, view.n_retained)
        rows = gradient_rows(self.model, view.retained_chunks(at_most=count), count)
        gone = loss_gradient(self.model, view.chunks())
        kept = loss_gradient(self.model, view.retained_chunks())
        share = len(view) / (len(view) + view.n_retained)
        step = inverse_fisher_product(rows, share * (gone - kept), self.damping)
        shift(self.model, self.alpha * step)
