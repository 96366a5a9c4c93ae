"""How samples are handed out: in batches, shuffled and augmented, and counted by a meter."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import count

import torch
from torch import Generator, Tensor

from clbench.augment import Augmentation, augment, to_input
from clbench.cost import FlopMeter
from clbench.model.training import Training
from clbench.samples import Samples

HIDDEN = -1  # in place of a label that the protocol hides
Prepare = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Batch:
    """Samples on the device: stored `raw` [B, ...], prepared inputs `x`, labels `y`, `ids` [B]."""

    raw: Tensor
    x: Tensor
    y: Tensor
    ids: Tensor
    first_pass: bool  # each sample of the update is in exactly one such batch
    prepare: Callable[[Tensor], Tensor]  # raw to x, augmented anew

    def __len__(self) -> int:
        return len(self.y)


@dataclass(frozen=True)
class Share:
    """Some of the samples: their `ids` [n], and whether labels come with them (else -1)."""

    ids: Tensor
    labelled: bool = True
    in_order: bool = False  # not shuffled

    def __len__(self) -> int:
        return len(self.ids)


class Serving:
    """Hands out the samples of one update.

    `skipped` are the samples that each training loop had yet to reach in its first pass when a
    budget ended it.
    """

    def __init__(
        self,
        samples: Samples,
        generator: Generator,
        meter: FlopMeter,
        pulse: Callable[[float], None],
        before_step: Callable[[], None],
    ) -> None:
        self.skipped: list[int] = []
        self._samples, self._generator, self._meter = samples, generator, meter
        self._pulse, self._before_step = pulse, before_step

    def passes(self, share: Share, training: Training, epochs: int) -> Iterator[Batch]:
        """Augmented batches over some passes; they end where a budget pays for no further step."""
        prepare = self._augmenting(training)
        total = max(1, epochs * len(share))
        with self._meter.loop(training=total) as loop:
            for epoch in range(epochs):
                for some in self._parts(self._ordered(share), training.batch_size):
                    self._before_step()
                    if not loop.step(len(some)):
                        self.skipped.append(max(0, len(share) - loop.samples))
                        return
                    yield self._batch(some, share, prepare, first_pass=epoch == 0)
                    self._pulse(loop.samples / total)

    def pairs(
        self, cycled: Share, passed: Share, training: Training, epochs: int
    ) -> Iterator[tuple[Batch, Batch]]:
        """Batches of two shares in step: passes over one, while the other comes again and again.

        A step counts the samples of both. There is none where either share is empty.
        """
        if not (len(cycled) and len(passed)):
            return
        prepare, size = self._augmenting(training), training.batch_size
        again, done = self._cycle(cycled, size), 0
        steps = epochs * len(sizes(len(passed), size))
        with self._meter.loop(training=epochs * len(passed) + steps * size) as loop:
            for epoch in range(epochs):
                for some in self._parts(self._ordered(passed), size):
                    cycle, others = next(again)
                    self._before_step()
                    if not loop.step(len(others) + len(some)):
                        return
                    yield (
                        self._batch(others, cycled, prepare, first_pass=cycle == 0),
                        self._batch(some, passed, prepare, first_pass=epoch == 0),
                    )
                    self._pulse((done := done + 1) / steps)

    def once(self, share: Share, size: int) -> Iterator[Batch]:
        """The samples once, in order, not augmented; whole whatever the budget."""
        with self._meter.loop() as loop:
            for some in _split(share.ids.to(self._samples.device), size):
                self._before_step()
                loop.step(len(some))
                yield self._batch(some, share, to_input, first_pass=True)

    def stored(
        self, raw: Tensor, y: Tensor, training: Training, passes: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches (x, y) of samples [n, ...] that a memory holds."""
        prepare = self._augmenting(training)
        with self._meter.loop(training=passes * len(y)) as loop:
            for done in range(1, passes + 1):
                order = self._ordered(Share(torch.arange(len(y))))
                for some in self._parts(order, training.batch_size):
                    self._before_step()
                    if not loop.step(len(some)):
                        return
                    yield prepare(raw[some]), y[some]
                self._pulse(done / passes)

    def _cycle(self, share: Share, size: int) -> Iterator[tuple[int, Tensor]]:
        """Parts of a share without end, each with the number of its pass."""
        for number in count():
            for some in self._parts(self._ordered(share), size):
                yield number, some

    def _augmenting(self, training: Training) -> Prepare:
        return partial(_prepare, how=training.augment, generator=self._generator)

    def _ordered(self, share: Share) -> Tensor:
        if share.in_order:
            return share.ids
        with self._meter.aside():
            return share.ids[torch.randperm(len(share), generator=self._generator)]

    def _parts(self, ids: Tensor, size: int) -> tuple[Tensor, ...]:
        with self._meter.aside():
            return _split(ids.to(self._samples.device), size)

    def _batch(self, ids: Tensor, share: Share, prepare: Prepare, *, first_pass: bool) -> Batch:
        self._meter.shown += len(ids)
        with self._meter.aside():
            raw = self._samples.gather(ids)
            y = self._samples.y[ids] if share.labelled else torch.full_like(ids, HIDDEN)
            return Batch(raw, prepare(raw), y, ids, first_pass, prepare)


def _split(ids: Tensor, size: int) -> tuple[Tensor, ...]:
    """Ids in parts of a size; no ids are no parts."""
    return ids.split(sizes(len(ids), size)) if len(ids) else ()


def sizes(total: int, size: int) -> list[int]:
    """Sizes of the parts: a last sample alone joins the part before, as batch norm needs two."""
    parts = [size] * (total // size) + [total % size] * (total % size > 0)
    return [*parts[:-2], size + 1] if 1 < size < total and parts[-1] == 1 else parts


def _prepare(raw: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    return to_input(augment(raw, how, generator))
