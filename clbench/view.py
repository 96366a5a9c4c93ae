"""What one update shows a method: the protocol, enforced."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial

import torch
from torch import Generator, Tensor

from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.model.training import Training
from clbench.protocol import Protocol
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.serving import Batch, Serving, Share, sizes
from clbench.stream import Update

__all__ = ["Batch", "SecondPassError", "View"]


class SecondPassError(ClbenchError):
    """A method asks for the samples of an update again, under an online protocol."""


class View:
    """The data of one update, and what the protocol grants beside them.

    It is made with what `clbench.grants` says of the update: the ids of `past` and `retained` data
    (None: not granted), and whether its own samples are `shown` and come `labelled`.

    Attributes:
        index, kind, classes, task: of the update; `task` only where the protocol gives it, and of
            `classes`, those seen here first, none where it is online: labels come with samples.
            A forget update names the classes that it hits where it gives labels.
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
        retained: Tensor | None = None,
        labelled: bool = True,
        shown: bool = True,
        meter: FlopMeter | None = None,
        pulse: Callable[[float], None] = lambda share: None,
        before_step: Callable[["View"], None] = lambda view: None,
    ) -> None:
        self.index, self.kind, self.task = update.index, update.kind, update.task
        named = labelled and not protocol.online
        self.classes = tuple(update.classes.tolist()) if named else ()
        self.n_classes = n_classes
        self.protocol = protocol
        self.device = samples.device
        self.generator = Generator().manual_seed(derive(seed, "view", update.index))
        self.read = torch.zeros(len(samples), dtype=torch.bool)
        self._ids = torch.tensor(update.samples)  # a copy: what is handed out may be written to
        self._past, self._retained = past, retained
        self._labelled, self._shown = labelled, shown
        self._meter = meter or FlopMeter()
        self._pulse, self._before_step = pulse, partial(before_step, self)
        self._serving = Serving(
            samples, self.generator, self._meter, self._pulse, self._before_step
        )

    def __len__(self) -> int:
        return len(self._ids)

    def batches(self, training: Training, *, with_past: bool = False) -> Iterator[Batch]:
        """Shuffled, augmented batches, for as many epochs as the protocol or `training` says.

        They end early once a budget of FLOPs or seconds pays for no further step. Under an online
        protocol there is one pass, and without the past it is in order of arrival. At a forget
        update: the samples to forget, labels -1 where they are hidden, for the epochs of
        `training`.

        Raises:
            ClbenchError: `with_past` where the past is not granted, or a second pass where the
                protocol is online.
        """
        share = self._granted(with_past=with_past)
        yield from self._serving.passes(share, training, self._passes(training))

    def retained(self, training: Training, *, epochs: int | None = None) -> Iterator[Batch]:
        """Shuffled, augmented batches of the retained data that a forget update grants.

        For `epochs` passes, by default those of `training`; they end early as `batches` do.

        Raises:
            ClbenchError: no retained data are granted.
        """
        yield from self._serving.passes(self._kept(), training, _chosen(epochs, training))

    def pairs(
        self, training: Training, *, epochs: int | None = None
    ) -> Iterator[tuple[Batch, Batch]]:
        """Batches to forget and batches to retain, in step.

        An epoch is one pass over the retained data, in which the samples to forget come again and
        again. There is no step where either are none.

        Raises:
            ClbenchError: no retained data are granted.
        """
        kept, share = self._kept(), self._granted(with_past=False)
        yield from self._serving.pairs(share, kept, training, _chosen(epochs, training))

    def steps(self, training: Training) -> int:
        """How many batches `batches(training)` yields if it is the next loop.

        Under a budget of FLOPs as many as it pays for at the price of the second step, at least 1;
        under one of seconds, which cannot be known ahead, all.
        """
        return self._meter.affords(sizes(len(self), training.batch_size) * self._passes(training))

    def chunks(self, size: int = 512, *, at_most: int | None = None) -> Iterator[Batch]:
        """The update's samples once, in order, not augmented; whole whatever the budget.

        Of more than `at_most`, so many are drawn. A budget of FLOPs sets aside what is done with
        them.
        """
        yield from self._serving.once(self._some(self._granted(with_past=False), at_most), size)

    def retained_chunks(self, size: int = 512, *, at_most: int | None = None) -> Iterator[Batch]:
        """The retained data that a forget update grants, as `chunks` gives those to forget.

        Raises:
            ClbenchError: no retained data are granted.
        """
        yield from self._serving.once(self._some(self._kept(), at_most), size)

    def rehearse(
        self, raw: Tensor, y: Tensor, training: Training, passes: int
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Shuffled, augmented batches (x, y) of stored samples [n, ...], some passes over them."""
        yield from self._serving.stored(raw, y, training, passes)

    @property
    def n_retained(self) -> int:
        """How many retained samples are granted; 0 where none are."""
        return 0 if self._retained is None else len(self._retained)

    @property
    def skipped(self) -> int:
        """Samples that `batches` had not reached in its first pass when a budget ended it.

        Of several loops that were ended, the fewest.
        """
        return min(self._serving.skipped, default=0)

    def epochs(self, training: Training) -> int:
        """Passes over a learn update's samples: the protocol's, or those of `training`."""
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
                self._before_step()
                loop.step(size)
                self._pulse(min(1.0, loop.samples / max(1, total)))

            yield step

    def _passes(self, training: Training) -> int:
        return training.epochs if self.kind == "forget" else self.epochs(training)

    def _granted(self, *, with_past: bool) -> Share:
        """The update's samples, and the past if it is granted."""
        if with_past and self._past is None:
            raise ClbenchError(
                "the method reads past data, which the protocol does not grant; "
                'declare needs=("past",) in its card, and play a stream with past = "all"'
            )
        if not self._shown:
            raise ClbenchError(
                "the method reads the samples to forget, and its card says retained_only=True; "
                "use view.retained(), or take that out of the card"
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
        return Share(ids, self._labelled, in_order=self.protocol.online and not with_past)

    def _some(self, share: Share, at_most: int | None) -> Share:
        if at_most is None:
            return share
        drawn = torch.randperm(len(share), generator=self.generator)[:at_most]
        return replace(share, ids=share.ids[drawn.sort().values])

    def _kept(self) -> Share:
        """The retained data that are granted."""
        if self._retained is None:
            raise ClbenchError(
                "the method reads retained data, which this update does not grant; declare "
                'needs=("retained",) in its card, and play a stream that forgets under a protocol '
                "with retained above 0"
            )
        self.read[self._retained] = True
        return Share(self._retained.clone())


def _chosen(epochs: int | None, training: Training) -> int:
    return training.epochs if epochs is None else epochs
