"""Datamodel matching: DM-Direct and DMM (2410.23232); `oracle_matching` is its upper bound."""

import copy
from dataclasses import replace
from typing import ClassVar, Literal

from torch import Tensor
from torch.nn.functional import pad

from clbench.ensemble.matching import Matching
from clbench.ensemble.recipe import Recipe
from clbench.ensemble.removal import Removal, network_logits
from clbench.ensemble.ridge_removal import RidgeRemoval
from clbench.ensemble.subset_removal import SubsetRemoval
from clbench.ensemble.trak_removal import TrakRemoval
from clbench.method import (
    LEARNING_RATE,
    Card,
    Choice,
    Field,
    Method,
    Network,
    Range,
    Space,
    Training,
    Tunable,
    View,
)
from clbench.model.fitting import fit

MULTIPLIER = Range("multiplier", 0.25, 2, log=True)
MATCHED: tuple[Tunable, ...] = (
    LEARNING_RATE,
    Range("matching.lr", 1e-5, 1e-2, log=True),
    Range("matching.epochs", 4, 20),
    Range("matching.retain_multiplier", 3, 20),
    Range("matching.forget_multiplier", 1, 5),
    Choice("matching.batch_size", (64, 256, 512)),
)


class DMDirect(Method):
    """The original's logits less what attribution gives the forgotten samples; no weights move."""

    card = Card(
        name="dm_direct",
        paper="2410.23232",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("forget-labels",),
        stores="statistics",
        passes="many",
        notes="No network is unlearned: embeddings stay the original's. `exact` is so for a ridge "
        "head on the network's features, which stand still, with its outputs on the scale of the "
        "network's logits. `trak` takes one network, a sparse projection, and weights p (1 - p) in "
        "its kernel, without which predicted changes are too small by far. `ridge` and `lasso` "
        "regress on networks trained on random subsets while learning: their cost is a part of the "
        "learn update, they are carried, and the labels of what is forgotten are not needed. The "
        "paper has some 10,000 of them for 50,000 samples; of 64 for the digits nothing can be "
        "learned, and the penalty that is chosen says so. Regressions are not in the count of "
        "FLOPs. Over several learn updates sums go on for `exact` and `trak`, at the weights of "
        "their time; `ridge` and `lasso` train models for each.",
    )
    carries: ClassVar[tuple[str, ...]] = ("model", "removal")
    tunes: ClassVar[tuple[Tunable, ...]] = (LEARNING_RATE, MULTIPLIER)

    backbone: str = "mlp"
    training: Training = Training()
    attribution: Literal["exact", "trak", "ridge", "lasso"] = "exact"
    multiplier: float = Field(1.0, gt=0, description="m, of the predicted change")
    models: int = Field(128, ge=5, description="ridge, lasso: models of random subsets")
    share: float = Field(0.5, gt=0, lt=1, description="ridge, lasso: of the samples in a subset")
    penalty: float | None = Field(
        None, gt=0, description="exact, ridge: lambda; lasso: share of the largest; else chosen"
    )
    dimensions: int = Field(512, ge=1, description="trak: of the projection")
    damping: float = Field(1.0, ge=0, description="trak: share of the kernel's mean diagonal")

    def declared(self) -> Card:
        """Regression on subsets asks which samples are forgotten, and not for their labels."""
        if self.attribution in ("exact", "trak"):
            return self.card
        needs = tuple(need for need in self.card.needs if need != "forget-labels")
        return replace(self.card, needs=needs)

    def build(self, space: Space) -> None:
        """Make the network, and an attribution that knows nothing yet."""
        self.model = Network(self.backbone, space)
        self.removal = self._attributed()

    def learn(self, view: View) -> None:
        """Train as finetuning does; then attribute what the network answers."""
        fit(self.model, view, self.training)
        self.removal.learn(self.model, view)

    def forget(self, view: View) -> None:
        """Note what is gone."""
        if len(view):
            self.removal.forget(self.model, view)

    def predict(self, x: Tensor) -> Tensor:
        """f(x) - m sum of beta_i(x) over all that is forgotten, [B, classes seen]."""
        return self.forecast(self.model, x)

    def forecast(self, original: Network, x: Tensor) -> Tensor:
        """Logits [B, classes seen] of a model that never saw what is forgotten, as predicted."""
        logits, change = network_logits(original, x), self.removal.effect(original, x)
        newer = logits.shape[1] - change.shape[1]  # classes in the middle of being learned
        return logits - self.multiplier * pad(change, (0, newer))

    def _attributed(self) -> Removal:
        if self.attribution == "exact":
            return RidgeRemoval(self.model, self.penalty)
        if self.attribution == "trak":
            return TrakRemoval(self.model, self.dimensions, self.damping)
        recipe = Recipe(self.backbone, self.training, precision=self.model.space.precision)
        return SubsetRemoval(
            self.model, recipe, self.attribution, self.models, self.share, self.penalty
        )


class DMM(DMDirect):
    """The original, moved until its logits are those that DM-Direct predicts."""

    card = Card(
        name="dmm",
        paper="2410.23232",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        stores="statistics",
        passes="many",
        notes="Attributions as for dm_direct. The original is carried, too: later requests are "
        "predicted from it, for all that is forgotten so far. Matching has the values of the "
        "authors' code; the paper's figures take others for each experiment (learning rate 1e-4, "
        "4 to 10 epochs, retain 20, forget 5). They are for hundreds of samples among 50,000: for "
        "a request of a hundred they make ten steps, which hardly move a network; smaller batches "
        "and more epochs do (matching.batch_size=64, epochs=10, lr=2e-3). There is no half "
        "precision beyond that of the run.",
    )
    carries = ("model", "original", "removal")
    tunes = (*MATCHED, MULTIPLIER)

    matching: Matching = Matching()

    def build(self, space: Space) -> None:
        """Make the network, its original and the attribution."""
        super().build(space)
        self.original = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Train as finetuning does, attribute, and keep the result as the original."""
        super().learn(view)
        self.original = copy.deepcopy(self.model)

    def forget(self, view: View) -> None:
        """Predict from the original what a retrained model would answer; match that."""
        if len(view):
            self.removal.forget(self.original, view)
            self.matching.fit(self.model, view, lambda x: self.forecast(self.original, x))

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, classes seen] of the matched network."""
        return network_logits(self.model, x)
