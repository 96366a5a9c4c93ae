"""Methods of ours with the habits of Avalanche's, to show that these are all that differs."""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, mse_loss

from clbench.memory import Exemplars
from clbench.method import Batch, Card, Space, View, evaluating
from clbench.model.losses import local_cross_entropy
from clbench_methods.agem import AGEM, projected
from clbench_methods.der import DER
from clbench_methods.er_ace import ERACE
from tests.benchmarks.er_after import ERAfter

__all__ = ["AGEMFixed", "DERAfter", "ERACEAhead", "ERAfter"]


class ERACEAhead(ERACE):
    """The update's samples are in the memory, balanced over classes, before it is trained on.

    The mean of both cross-entropies is minimised in place of their sum, and nothing is replayed in
    the first update.
    """

    card = Card(name="er-ace-ahead", paper="2104.05025", family="replay", stores="samples")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory, shared by classes."""
        super().build(space)
        self.memory: Any = Exemplars(self.buffer, space)

    def learn(self, view: View) -> None:
        """Fill the memory, then minimise the mean of both cross-entropies."""
        self.model.grow(view.n_classes)
        fill(self.memory, view)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            logits = self.model(batch.x)
            if view.index:
                x, y = self.memory.sample(full(batch, self.training.batch_size), view.generator)
                new = local_cross_entropy(logits, batch.y, batch.y)
                step((new + cross_entropy(self.model(x), y)) / 2)
            else:
                step(cross_entropy(logits, batch.y))


class DERAfter(DER):
    """Samples enter, balanced over classes, when an update ends, with what it then answers.

    Old logits of classes to come are matched, too, in the mean over all outputs.
    """

    card = Card(name="der-after", paper="2004.07211", family="replay", stores="samples")

    def build(self, space: Space) -> None:
        """Make the network and an empty memory, shared by classes."""
        super().build(space)
        self.memory: Any = Exemplars(self.buffer, space)
        self.answers: dict[int, Tensor] = {}

    carries = ("model", "memory", "seen", "logits")
    logits = torch.zeros(0)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy and the error to stored logits; then store anew."""
        self.seen = view.n_classes
        self.model.grow(max(self.room, self.seen))
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            loss = cross_entropy(self.model(batch.x), batch.y)
            if len(self.memory):
                rows = torch.randperm(len(self.logits), generator=view.generator)
                rows = rows[: self.training.batch_size]
                x = batch.prepare(self.memory._columns.x[rows])
                loss = loss + self.alpha * mse_loss(self.model(x), self.logits[rows])
            step(loss)
        self._store(view)

    def _store(self, view: View) -> None:
        """Keep the logits of samples that stay; new ones are answered by the model as it is."""
        before = dict(zip(map(_key, self._raw()), self.logits, strict=True))
        fill(self.memory, view)
        with evaluating(self.model):
            answers = self.model(self._inputs())
        rows = [before.get(_key(raw), new) for raw, new in zip(self._raw(), answers, strict=True)]
        self.logits = torch.stack(rows)

    def _raw(self) -> Tensor:
        return self.memory._columns.x if len(self.memory) else torch.zeros(0)

    def _inputs(self) -> Tensor:
        return self._raw().float() / 255


class AGEMFixed(AGEM):
    """Every update keeps a fifth of the memory, from the first on."""

    card = Card(name="agem-fixed", paper="1812.00420", family="replay", stores="samples")
    updates = 5

    def learn(self, view: View) -> None:
        """Step along the projected gradient; then remember a fixed number of samples."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            g = self._gradient(batch.x, batch.y)
            if len(self.memory):
                past = self.memory.sample(batch, view.generator, count=self.reference)
                g = projected(g, self._gradient(*past))
            step(self._flat() @ g)
        raw, y = samples(view)
        rows = torch.randperm(len(y), generator=view.generator)
        rows = rows[: self.memory.capacity // self.updates]
        self.memory.put(view.index, raw[rows], y[rows])


def fill(memory: Exemplars, view: View) -> None:
    """Give every class of an update a random order of its samples; all share the memory."""
    raw, y = samples(view)
    for label in y.unique().tolist():
        mine = torch.where(y == label)[0]
        mine = mine[torch.randperm(len(mine), generator=view.generator)]
        memory.put(label, raw[mine], y[mine])


def samples(view: View) -> tuple[Tensor, Tensor]:
    """All samples of an update, as the source has them, and labels."""
    chunks = list(view.chunks())
    return torch.cat([c.raw for c in chunks]), torch.cat([c.y for c in chunks])


def full(batch: Batch, size: int) -> Batch:
    """A batch that counts as a full one."""
    return replace(batch, y=batch.y.new_zeros(size))


def _key(raw: Tensor) -> bytes:
    return bytes(raw.numpy().tobytes())
