"""Fisher forgetting (1911.04933): noise where the retained data do not hold a weight in place."""

from typing import Literal

import torch
from torch import Tensor

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.importance import Labels, fisher_diagonal

Form = Literal["paper", "code"]
FLOOR = 1e-8  # added to the Fisher: of a dead unit it is 0
CAP, HEAD_CAP = 1e3, 1e2  # of 1 / Fisher, in the authors' code
HEAD_AND_VECTORS = 10.0  # factor on the variance of the head, biases and norms, there


class FisherForgetting(Method):
    """Gaussian noise on all weights, the less the more they matter for the retained data."""

    card = Card(
        name="fisher_forgetting",
        paper="1911.04933",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        retained_only=True,
        original="plain",
        notes="form=paper has variance alpha F^-1/2, F the diagonal of the Fisher on the retained "
        "data; form=code is the authors' code: alpha / F, capped, averaged over the inputs of a "
        "unit, tenfold for the head, biases and norms. alpha is the code's for both. That code "
        "knows the head by a size equal to the number of classes, here it is the head; and for a "
        "forgotten class it sets that row of the head to 0, which edits the answer by hand and is "
        "left out. F takes the expectation over all classes, sample by sample; labels=sampled "
        "costs one class a sample. What is forgotten is never read.",
    )
    tunes = (Range("alpha", 1e-9, 1e-3, log=True),)

    backbone: str = "mlp"
    training: Training = Training()
    alpha: float = Field(1e-6, ge=0, description="strength of the noise")
    form: Form = "paper"
    labels: Labels = "exact"

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Add noise of the variance that the retained data allow."""
        if not len(view):
            return
        fisher = fisher_diagonal(self.model, view.retained_chunks(), self.labels)
        with torch.no_grad():
            for name, p in self.model.named_parameters():
                if name in fisher:
                    noise = torch.randn(p.shape, generator=view.generator).to(p)
                    variance = noise_variance(name, fisher[name], self.alpha, self.form)
                    p.add_(variance.sqrt() * noise)


def noise_variance(name: str, fisher: Tensor, alpha: float, form: Form) -> Tensor:
    """Variance of the noise on one parameter tensor, of the shape of its Fisher diagonal.

    From the paper alpha F^-1/2: its noise is a multiple of F^-1/4 times a standard normal.
    """
    if form == "paper":
        return alpha / (fisher + FLOOR).sqrt()
    head = name.startswith("head.")
    variance = alpha * (1 / (fisher + FLOOR)).clamp(max=HEAD_CAP if head else CAP)
    if variance.ndim > 1:
        variance = variance.mean(dim=1, keepdim=True).expand_as(variance)
    return HEAD_AND_VECTORS * variance if head or variance.ndim == 1 else variance
