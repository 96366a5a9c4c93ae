"""A memory that holds as many samples of each class as can be (GDumb, ECCV 2020)."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from clbench.columns import Columns, share
from clbench.model.network import Space
from clbench.view import Batch

Held = dict[int, list[int]]  # class: the slots it holds


class Balanced:
    """Greedy balance: a sample enters while its class holds less than capacity / classes seen.

    Where the memory is full, it takes the place of a random sample of the largest class.
    """

    def __init__(self, capacity: int, space: Space) -> None:
        share(capacity, 1, "classes")
        self.capacity = capacity
        self._columns = Columns(space.device)

    def __len__(self) -> int:
        return len(self._columns)

    @property
    def x(self) -> Tensor:
        """The stored samples [stored, ...], as the source has them."""
        return self._columns.x

    @property
    def y(self) -> Tensor:
        """Their labels [stored]."""
        return self._columns.y

    def check(self, n_classes: int) -> None:
        """Refuse, before any training, more classes than there are places."""
        share(self.capacity, n_classes, "classes")

    def add(self, batch: Batch, generator: Generator) -> None:
        """Offer a batch, sample by sample.

        Raises:
            ClbenchError: there are more classes than places.
        """
        held: Held = {}
        for slot, label in enumerate(self.y.tolist()):
            held.setdefault(label, []).append(slot)
        draws = torch.rand(len(batch), generator=generator, dtype=torch.float64).tolist()
        written: dict[int, int] = {}
        for row, (label, draw) in enumerate(zip(batch.y.tolist(), draws, strict=True)):
            mine = held.setdefault(label, [])
            self.check(len(held))
            if len(mine) < self.capacity / len(held):
                slot = self._free(held, draw)
                mine.append(slot)
                written[slot] = row
        self._columns.write(written, batch.raw, batch.y)

    def _free(self, held: Held, draw: float) -> int:
        """The next slot, or a random one of the largest class, which loses it."""
        total = sum(map(len, held.values()))
        if total < self.capacity:
            return total
        largest = max(held.values(), key=len)
        return largest.pop(int(draw * len(largest)))

    def state_dict(self) -> dict[str, Any]:
        """Samples and labels."""
        return self._columns.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved memory."""
        self._columns.load_state_dict(state)
