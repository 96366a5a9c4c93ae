"""What one update shows a method: the protocol, enforced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import Generator, Tensor

from clbench.augment import Augmentation, augment, to_input
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.model.training import Training
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.stream import Protocol, Update


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


class SecondPassError(ClbenchError):
    """A method asks for the samples of an update again, under an online protocol."""


class View:
    """The data of one update, and what the protocol grants of the past.

    Attributes:
        index, kind, classes, task: of the update; `task` only where the protocol gives it, and of
            `classes`, those seen here first, none where it is online: labels come with samples.
        n_classes: classes seen up to and including this update; labels are 0 .. n_classes - 1.
        generator: randomness for this update, the same whatever came before.
        read: [train samples] bool, the samples that were handed out.
    """

    def __init__(
        self,
        update: Update,
        samples: Samples,
        *,
        n_classes: int,
        protocol: Protocol,
        seed: int,
        past: Tensor | None = None,
        meter: FlopMeter | None = None,
        pulse: Callable[[float], None] = lambda share: None,
        before_step: Callable[["View"], None] = lambda view: None,
    ) -> None:
        self.index, self.kind, self.task = update.index, update.kind, update.task
        self.classes = () if protocol.online else tuple(update.classes.tolist())
        self.n_classes = n_classes
        self.protocol = protocol
        self.device = samples.device
        self.generator = Generator().manual_seed(derive(seed, "view", update.index))
        self.read = torch.zeros(len(samples), dtype=torch.bool)
        self._samples = samples
        self._ids = torch.tensor(update.samples)  # a copy: what is handed out may be written to
        self._past = past
        self._meter = meter or FlopMeter()
        self._pulse, self._before_step = pulse, before_step
        self._skipped: list[int] = []

    def __len__(self) -> int:
        return len(self._ids)

    def batches(self, training: Training, *, with_past: bool = False) -> Iterator[Batch]:
        """Shuffled, augmented batches, for as many epochs as the protocol or `training` says.

        They end early once a budget of FLOPs or seconds pays for no further step.
        Under an online protocol there is one pass, and without the past it is in order of arrival.

        Raises:
            ClbenchError: `with_past` where the past is not granted, or a second pass where the
                protocol is online.
        """
        ids = self._granted(with_past=with_past)
        epochs = self.epochs(training)
        in_order = self.protocol.online and not with_past
        prepare = partial(_prepare, how=training.augment, generator=self.generator)
        total = max(1, epochs * len(ids))
        with self._meter.loop(training=total) as loop:
            for epoch in range(epochs):
                order = ids if in_order else self._shuffled(ids)
                for some in self._parts(order, training.batch_size):
                    self._before_step(self)
                    if not loop.step(len(some)):
                        self._skipped.append(max(0, len(ids) - loop.samples))
                        return
                    yield self._batch(some, prepare, first_pass=epoch == 0)
                    self._pulse(loop.samples / total)

    def steps(self, training: Training) -> int:
        """How many batches `batches(training)` yields if it is the next loop.

        Under a budget of FLOPs as many as it pays for at the price of the second step, at least 1;
        under one of seconds, which cannot be known ahead, all.
        """
        sizes = _sizes(len(self), training.batch_size) * self.epochs(training)
        return self._meter.affords(sizes)

    def chunks(self, size: int = 512) -> Iterator[Batch]:
        """The update's samples once, in order, not augmented; whole whatever the budget.

        A budget of FLOPs sets aside what is done with them.
        """
        ids = self._granted(with_past=False).to(self.device)
        with self._meter.loop() as loop:
            for some in _split(ids, size):
                self._before_step(self)
                loop.step(len(some))
                yield self._batch(some, to_input, first_pass=True)

    def rehearse(
        self, raw: Tensor, y: Tensor, training: Training, passes: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches (x, y) of stored samples [n, ...], some passes over them."""
        prepare = partial(_prepare, how=training.augment, generator=self.generator)
        with self._meter.loop(training=passes * len(y)) as loop:
            for done in range(1, passes + 1):
                order = self._shuffled(torch.arange(len(y)))
                for some in self._parts(order, training.batch_size):
                    self._before_step(self)
                    if not loop.step(len(some)):
                        return
                    yield prepare(raw[some]), y[some]
                self._pulse(done / passes)

    @property
    def skipped(self) -> int:
        """Samples that `batches` had not reached in its first pass when a budget ended it.

        Of several loops that were ended, the fewest.
        """
        return min(self._skipped, default=0)

    def epochs(self, training: Training) -> int:
        """Passes over the update's samples: the protocol's, or else those of `training`."""
        if self.protocol.online:
            return 1
        return training.epochs if self.protocol.epochs is None else self.protocol.epochs

    @contextmanager
    def metered(self, total: int) -> Iterator[Callable[[int], None]]:
        """For a training loop of another library, over `total` samples, repeats included.

        What it gives is to be called as each step begins, with the size of its batch.
        """
        with self._meter.loop() as loop:

            def step(size: int) -> None:
                self._before_step(self)
                loop.step(size)
                self._pulse(min(1.0, loop.samples / max(1, total)))

            yield step

    def _shuffled(self, ids: Tensor) -> Tensor:
        with self._meter.aside():
            return ids[torch.randperm(len(ids), generator=self.generator)]

    def _parts(self, ids: Tensor, size: int) -> tuple[Tensor, ...]:
        with self._meter.aside():
            return _split(ids.to(self.device), size)

    def _granted(self, *, with_past: bool) -> Tensor:
        if with_past and self._past is None:
            raise ClbenchError(
                "the method reads past data, which the protocol does not grant; "
                'declare needs=("past",) in its card, and play a stream with past = "all"'
            )
        if self.protocol.online and bool(self.read[self._ids].any()):
            raise SecondPassError(
                "the method asks for the samples of an update a second time, and the protocol is "
                "online: use one loop over view.batches() or view.chunks(), or write "
                'passes="many" in its card'
            )
        ids = self._ids.clone()
        if with_past and self._past is not None:
            past = self._past[~torch.isin(self._past, ids)]  # what comes again comes once
            ids = torch.cat([past, ids])
        self.read[ids] = True
        return ids

    def _batch(
        self, ids: Tensor, prepare: Callable[[Tensor], Tensor], *, first_pass: bool
    ) -> Batch:
        self._meter.shown += len(ids)
        with self._meter.aside():
            raw = self._samples.gather(ids)
            return Batch(raw, prepare(raw), self._samples.y[ids], ids, first_pass, prepare)


def _split(ids: Tensor, size: int) -> tuple[Tensor, ...]:
    """Ids in parts of a size; no ids are no parts."""
    return ids.split(_sizes(len(ids), size)) if len(ids) else ()


def _sizes(count: int, size: int) -> list[int]:
    """Sizes of the parts: a last sample alone joins the part before, as batch norm needs two."""
    sizes = [size] * (count // size) + [count % size] * (count % size > 0)
    return [*sizes[:-2], size + 1] if 1 < size < count and sizes[-1] == 1 else sizes


def _prepare(raw: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    return to_input(augment(raw, how, generator))
