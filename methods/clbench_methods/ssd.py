"""Selective synaptic dampening (2308.07707) and its form without labels (2402.19308)."""

from collections.abc import Iterable

import torch

from clbench.method import Batch, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.importance import Parameters, fisher_diagonal, output_sensitivity


class SSD(Method):
    """Shrinks the weights that matter far more for the forgotten samples than for all."""

    card = Card(
        name="ssd",
        paper="2308.07707",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="Importances are squared gradients of single samples at their own labels; public "
        "code squares the mean gradient of a batch, which depends on the batch size. Importance "
        "over all data is that over the granted retained data and what is forgotten, weighted by "
        "their numbers. So where what is forgotten is a share of 1/alpha of both or more, no "
        "weight can be selected: a tenth of the data at the default alpha. The paper's alpha is 10 "
        "for ResNet18, with 5 (a class) and 25 (a subclass) for ViT, and 50 with dampening 0.1 for "
        "faces.",
    )
    tunes = (Range("alpha", 1, 100, log=True), Range("dampening", 0.1, 5, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    alpha: float = Field(10.0, ge=0, description="ratio of importances from which on to dampen")
    dampening: float = Field(1.0, ge=0, description="lambda: times the ratio of importances")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Compare importances, and dampen."""
        if not len(view):
            return
        gone = self.importance(view.chunks())
        kept = self.importance(view.retained_chunks())
        everything = _over_both(kept, view.n_retained, gone, len(view))
        dampen(self.model, everything, gone, self.alpha, self.dampening)

    def importance(self, chunks: Iterable[Batch]) -> Parameters:
        """Of each weight: its mean squared gradient of the log-likelihood, sample by sample."""
        return fisher_diagonal(self.model, chunks, "empirical")


class LFSSD(SSD):
    """SSD whose importance is the sensitivity of the outputs: neither labels nor a loss."""

    card = Card(
        name="lfssd",
        paper="2402.19308",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        original="plain",
        notes="Importance is the mean of per-sample magnitudes of the gradient of the squared norm "
        "of the logits; public code takes magnitudes of a batch's mean, in which samples cancel. "
        "The rest is as in ssd, its bound on the share that can be forgotten, too.",
    )

    def importance(self, chunks: Iterable[Batch]) -> Parameters:
        """Of each weight: the mean magnitude of what it does to the squared norm of the logits."""
        return output_sensitivity(self.model, chunks)


def dampen(
    model: Network, everything: Parameters, gone: Parameters, alpha: float, strength: float
) -> None:
    """Where I_F > alpha I_D, weights become min(strength I_D / I_F, 1) of what they were.

    `everything` is I_D, importance over all data; `gone` is I_F, over what is forgotten.
    """
    with torch.no_grad():
        for name, p in model.named_parameters():
            if name in gone:
                selected = gone[name] > alpha * everything[name]
                factor = (strength * everything[name] / gone[name]).clamp(max=1)
                p.copy_(torch.where(selected, factor * p, p))


def _over_both(kept: Parameters, n_kept: int, gone: Parameters, n_gone: int) -> Parameters:
    """Mean importance over two sets of samples, from the mean over each."""
    return {name: (n_kept * kept[name] + n_gone * gone[name]) / (n_kept + n_gone) for name in gone}
