"""Meta-experience replay (1810.11910) and its form for large models (2508.01908)."""

from collections.abc import Iterator
from dataclasses import replace

import torch
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
    View,
)
from clbench.model.averaging import interpolate, snapshot


class MER(Method):
    """Reptile over single samples, new and remembered, so that their gradients align."""

    card = Card(
        name="mer",
        paper="1810.11910",
        family="replay",
        stores="samples",
        notes="Algorithm 1, one pass over an update whatever epochs the protocol sets: a sample "
        "costs batches x k steps. The new sample is the first of its batches, as in the authors' "
        "code, whose values for 200 remembered samples of rotated MNIST are the defaults: there "
        "10 remembered samples and the new one make a batch. training.batch_size does not matter.",
    )
    carries = ("model", "memory")
    tunes = (LEARNING_RATE, Range("beta", 1e-3, 1, log=True), Range("gamma", 0.1, 1, log=True))
    quick = (("batches", 1), ("k", 2))

    backbone: str = "mlp"
    training: Training = Training(lr=0.1)
    buffer: int = Field(200, ge=1, description="samples that the memory holds")
    k: int = Field(11, ge=1, description="samples of a batch, the new one among them")
    batches: int = Field(5, ge=1, description="s, batches for each new sample")
    beta: float = Field(0.01, gt=0, le=1, description="how far to follow the steps of a batch")
    gamma: float = Field(1.0, gt=0, le=1, description="how far to follow all batches")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory."""
        self.model = Network(self.backbone, space)
        self.memory = Reservoir(self.buffer, space)

    def learn(self, view: View) -> None:
        """For each sample: batches of single steps, interpolated within and across batches."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for sample in _one_by_one(view.batches(self.training)):
            before = snapshot(self.model)
            for _ in range(self.batches):
                start = snapshot(self.model)
                past_x, past_y = self.memory.sample(sample, view.generator, count=self.k - 1)
                x, y = torch.cat([sample.x, past_x]), torch.cat([sample.y, past_y])
                for row in range(len(y)):
                    step(cross_entropy(self.model(x[row : row + 1]), y[row : row + 1]))
                interpolate(self.model, start, self.beta)
            interpolate(self.model, before, self.gamma)
            self.memory.add(sample, view.generator)


class ERReptile(Method):
    """Replay as a share of each batch, and a Reptile interpolation every so many steps."""

    card = Card(
        name="er_reptile",
        paper="2508.01908",
        family="replay",
        stores="samples",
        notes="The paper trains language models on a replay buffer on disk; here a reservoir of "
        "fixed size that samples are offered to in the first epoch alone. A batch of new samples "
        "is joined by as many as make the share, rather than cut by them. Steps are counted across "
        "updates; a head's new rows take part from the next interpolation on.",
    )
    carries = ("model", "memory", "slow", "steps")
    tunes = (LEARNING_RATE, Range("every", 10, 1000, log=True), Range("epsilon", 0.01, 1, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    buffer: int = Field(200, ge=1, description="samples that the memory holds")
    replay: float = Field(0.5, ge=0, lt=1, description="share of remembered samples in a batch")
    every: int = Field(500, ge=1, description="steps between interpolations")
    epsilon: float = Field(0.1, gt=0, le=1, description="how far to follow these steps")

    def build(self, space: Space) -> None:
        """Make the network, its state at the last interpolation, and an empty memory."""
        self.model = Network(self.backbone, space)
        self.slow = self.model.frozen_copy()
        self.memory = Reservoir(self.buffer, space)
        self.steps = 0

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on both kinds of samples; now and then go back most of the way."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            count = round(len(batch) * self.replay / (1 - self.replay))
            past_x, past_y = self.memory.sample(batch, view.generator, count=count)
            logits = self.model(torch.cat([batch.x, past_x]))
            step(cross_entropy(logits, torch.cat([batch.y, past_y])))
            self.steps += 1
            if self.steps % self.every == 0:
                interpolate(self.model, self.slow, self.epsilon)
                self.slow = self.model.frozen_copy()
            if batch.first_pass:
                self.memory.add(batch, view.generator)


def _one_by_one(batches: Iterator[Batch]) -> Iterator[Batch]:
    """The samples of the first pass as batches of one."""
    for batch in batches:
        if not batch.first_pass:
            return
        for row in range(len(batch)):
            at = slice(row, row + 1)
            parts = {name: getattr(batch, name)[at] for name in ("raw", "x", "y", "ids")}
            yield replace(batch, **parts)
