"""Training samples with their labels, as attacks read them: never augmented."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Generator, Tensor

from clbench.augment import to_input
from clbench.samples import Samples
from clbench.source.base import IntArray

CHUNK = 256


@dataclass(frozen=True)
class Labelled:
    """Samples of a split by id [n]."""

    samples: Samples
    ids: Tensor

    @classmethod
    def of(cls, samples: Samples, ids: IntArray) -> "Labelled":
        """Those of some ids [n], on the device of the samples."""
        return cls(samples, torch.from_numpy(ids.astype("int64")).to(samples.device))

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def y(self) -> Tensor:
        """Labels [n]."""
        return self.samples.y[self.ids]

    def some(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Inputs [k, ...] and labels [k] of some rows."""
        ids = self.ids[rows.to(self.ids.device)]
        return to_input(self.samples.gather(ids)), self.samples.y[ids]

    def asked(self, ask: Callable[[Tensor], Tensor]) -> Tensor:
        """What a function answers to all inputs, in order [n, ...], without gradients."""
        with torch.no_grad():
            parts = self.ids.split(CHUNK)
            return torch.cat([ask(to_input(self.samples.gather(part))) for part in parts])


def shuffled(n: int, size: int, steps: int, generator: Generator) -> Iterator[Tensor]:
    """Rows of so many batches, pass after pass over n samples in new orders."""
    while steps > 0:
        for rows in batches(torch.randperm(n, generator=generator), size)[:steps]:
            yield rows
            steps -= 1


def batches(order: Tensor, size: int) -> list[Tensor]:
    """An order cut into batches; a last one of a single sample joins the one before it.

    Batch normalisation cannot train on one sample.
    """
    parts = list(order.split(size))
    if len(parts) > 1 and len(parts[-1]) == 1:
        parts[-2:] = [torch.cat(parts[-2:])]
    return parts
