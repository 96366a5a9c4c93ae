"""Dark experience replay, DER and DER++ (2004.07211)."""

from typing import ClassVar

from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from clbench.memory import Reservoir
from clbench.method import (
    LEARNING_RATE,
    Batch,
    Card,
    Field,
    Method,
    Network,
    Range,
    Space,
    Training,
    Tunable,
    View,
)


class DER(Method):
    """The memory keeps what the model answered when a sample came; later models match it."""

    card = Card(
        name="der",
        paper="2004.07211",
        family="replay",
        stores="samples",
        notes="Samples are offered to the reservoir at every step of every epoch, as in the "
        "paper's algorithm, with the logits of the augmented view that was trained on, from before "
        "the step; the image is stored as it was and augmented anew. As in the paper, the head is "
        "wider than the classes seen: what it says of those to come is stored too, and without it "
        "(room=1) old samples drift to new classes. The paper's width is that of the data set; "
        "here room is set without knowing it, and the error is the mean over classes seen so far, "
        "so that room hardly matters. Logits that a head without room had not yet are not "
        "compared. alpha, the buffer and plain SGD are the paper's for CIFAR-10: under Adam, whose "
        "steps do not shrink with the gradient, logits of classes to come sink without end, and "
        "such classes are not answered when they come. Labels are kept in the memory too, which "
        "DER does not use.",
    )
    carries = ("model", "memory", "seen")
    tunes: ClassVar[tuple[Tunable, ...]] = (LEARNING_RATE, Range("alpha", 0.03, 3, log=True))

    backbone: str = "mlp"
    training: Training = Training(lr=0.03)
    buffer: int = Field(200, ge=1, description="samples that the memory holds")
    alpha: float = Field(0.3, ge=0, description="weight of matching stored logits")
    room: int = Field(100, ge=1, description="classes that the head has a logit for from the start")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory; no class is seen yet."""
        self.model = Network(self.backbone, space)
        self.memory = Reservoir(self.buffer, space)
        self.seen = 0

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on new samples and what the memory adds."""
        self.seen = view.n_classes
        self.model.grow(max(self.room, self.seen))
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits = self.model(batch.x)
            loss = cross_entropy(logits, batch.y)
            if len(self.memory):
                loss = loss + self.replay(batch, view.generator)
            step(loss)
            self.memory.add(batch, view.generator, logits=logits.detach())

    def replay(self, batch: Batch, generator: Generator) -> Tensor:
        """Alpha times the squared error to stored logits, on a draw from memory."""
        x, _, stored = self.memory.sample(batch, generator, "logits")
        return self.alpha * squared_error(self.model(x), stored[:, : self.seen])

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, classes seen] of inputs [B, ...]."""
        return super().predict(x)[:, : self.seen]


class DERpp(DER):
    """DER, plus cross-entropy on the stored labels of a second, independent draw."""

    card = Card(
        name="derpp",
        paper="2004.07211",
        family="replay",
        stores="samples",
        notes="As der, with both terms of the paper on draws of their own; alpha, beta and the "
        "buffer are the paper's for CIFAR-10.",
    )
    tunes = (*DER.tunes, Range("beta", 0.03, 3, log=True))

    alpha: float = Field(0.1, ge=0, description="weight of matching stored logits")
    beta: float = Field(0.5, ge=0, description="weight of stored labels")

    def replay(self, batch: Batch, generator: Generator) -> Tensor:
        """Both terms, each on its own draw."""
        matched = super().replay(batch, generator)
        x, y = self.memory.sample(batch, generator)
        return matched + self.beta * cross_entropy(self.model(x), y)


def squared_error(logits: Tensor, stored: Tensor) -> Tensor:
    """Mean squared error over the stored logits [B, W], NaN where a row is narrower.

    `logits` [B, C] may be wider; classes that were unknown at storing time do not count.
    """
    known = ~stored.isnan()
    return (logits[:, : stored.shape[1]] - stored)[known].square().mean()
