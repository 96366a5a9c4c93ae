"""Samples that a method keeps out of its training, of which it stores nothing."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from clbench.view import Batch

MULTIPLIER, MODULUS = 2654435761, 1 << 32  # of Knuth's hash, which spreads neighbours evenly


@dataclass(frozen=True)
class HeldOut:
    """A share of all samples, chosen by their numbers: about that share of any run of them.

    `first`, from 0 to 2**32, decides which.
    """

    share: float
    first: int

    @classmethod
    def drawn(cls, share: float) -> "HeldOut":
        """A choice by torch's global generator."""
        return cls(share, int(torch.randint(MODULUS, ())))

    def holds(self, ids: Tensor) -> Tensor:
        """Which of the samples with these numbers [B] are held out."""
        return (ids * MULTIPLIER + self.first) % MODULUS < self.share * MODULUS

    def others(self, batches: Iterable[Batch]) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and labels that are not held out, batch by batch.

        Where one sample of several is left, none is given: BatchNorm needs two.
        """
        for batch in batches:
            use = ~self.holds(batch.ids)
            if int(use.sum()) >= min(2, len(batch)):
                yield batch.x[use], batch.y[use]
