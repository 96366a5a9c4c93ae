"""Model soups (2203.05482): several finetuned models from one start, averaged into one."""

import copy
from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import (
    LEARNING_RATE,
    Card,
    Field,
    Method,
    Network,
    Range,
    Space,
    Training,
    View,
    evaluating,
)
from clbench.model.averaging import Weights, mean_weights, recompute_batchnorm

AT_A_TIME = 200  # held-out samples in one pass


class Soup(Method):
    """Finetunes some models from the last soup, and cooks those that go together."""

    card = Card(
        name="soup",
        paper="2203.05482",
        family="merging",
        plays=("learn", "replace"),
        passes="many",
        notes="Members differ in their learning rate and in the order and augmentation of their "
        "batches; the paper's search also varies decay, epochs and augmentations. Each costs a "
        "finetuning. The greedy recipe holds a random part of the update's data out of training "
        "and out of BatchNorm's statistics; batches are smaller by what they lose to it. "
        "Updates too small for a held-out part are cooked uniformly. A newer version is cooked "
        "from the older one's weights, on all that it may learn from; the backbone stays.",
    )
    tunes = (LEARNING_RATE, Range("spread", 1, 10, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    recipe: Literal["greedy", "uniform"] = "greedy"
    members: int = Field(4, ge=1, description="models that are finetuned")
    spread: float = Field(
        2.0, ge=1, description="rates lie evenly in logarithm from lr / spread to lr * spread"
    )
    held_out: float = Field(
        0.1, gt=0, lt=1, description="share of the update's data that the greedy recipe tastes"
    )

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Finetune the members from where the model is, and average them."""
        self.model.grow(view.n_classes)
        if not len(view):
            return
        held = self._held_out(view)
        cooked = [self._member(view, held, rate) for rate in self._rates()]
        if not len(held):
            self._serve(cooked, view, held)
        else:
            self._greedy(cooked, view, held)

    def replace(self, view: View) -> None:
        """The same, over all that the newer version may learn from."""
        self.learn(view)

    def _rates(self) -> list[float]:
        steps = max(1, self.members - 1)
        middle = (self.members - 1) / 2
        return [
            self.training.lr * self.spread ** (2 * (i - middle) / steps)
            for i in range(self.members)
        ]

    def _held_out(self, view: View) -> Tensor:
        """Ids that no member is trained on; none for the uniform recipe."""
        ids = [batch.ids for batch in view.chunks()] if self.recipe == "greedy" else []
        if not ids:
            return torch.zeros(0, dtype=torch.int64, device=view.device)
        size = min(round(self.held_out * len(view)), len(view) - 1)
        drawn = torch.randperm(len(view), generator=view.generator)[:size]
        return torch.cat(ids)[drawn.to(view.device)]

    def _member(self, view: View, held: Tensor, rate: float) -> Weights:
        member = copy.deepcopy(self.model)
        training = self.training.model_copy(update={"lr": rate})
        step = training.start(member)
        for batch in view.batches(training):
            kept = ~torch.isin(batch.ids, held)
            if int(kept.sum()) >= min(2, len(batch)):  # of one sample alone there is no BatchNorm
                step(cross_entropy(member(batch.x[kept]), batch.y[kept]))
        return member.state_dict()

    def _serve(self, members: list[Weights], view: View, held: Tensor) -> None:
        """Make the model the mean of some members, with BatchNorm's statistics its own."""
        self.model.load_state_dict(mean_weights(members))
        if len(members) > 1:
            chunks = (batch.x[~torch.isin(batch.ids, held)] for batch in view.chunks())
            recompute_batchnorm(self.model, chunks)

    def _greedy(self, members: list[Weights], view: View, held: Tensor) -> None:
        """From the best member on, keep each that does not lower accuracy on the held-out part."""
        kept = [(b.x, b.y, torch.isin(b.ids, held)) for b in view.chunks()]
        x, y = (torch.cat(p) for p in zip(*[(x[k], y[k]) for x, y, k in kept], strict=True))

        def taste(soup: list[Weights]) -> float:
            self._serve(soup, view, held)
            return self._accuracy(x, y)

        alone = [taste([member]) for member in members]
        first, *others = sorted(range(len(members)), key=lambda i: -alone[i])
        soup, best = [members[first]], alone[first]
        for i in others:
            if (accuracy := taste([*soup, members[i]])) >= best:
                soup, best = [*soup, members[i]], accuracy
        self._serve(soup, view, held)

    def _accuracy(self, x: Tensor, y: Tensor) -> float:
        right = 0
        with evaluating(self.model):
            for some, labels in zip(x.split(AT_A_TIME), y.split(AT_A_TIME), strict=True):
                right += int((self.model(some).argmax(1) == labels).sum())
        return right / max(1, len(y))
