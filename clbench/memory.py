"""Replay memories: stored samples with labels, whose bytes are part of the method's state."""

from typing import Any

import torch
from torch import Generator, Tensor

from clbench.errors import ClbenchError
from clbench.model.network import Space
from clbench.view import Batch


class Reservoir:
    """A uniform sample of all samples offered so far (Vitter's algorithm R).

    The n-th sample offered enters with probability capacity / n in place of a uniform slot. The
    count is carried with the samples: without it a resumed memory would favour the new.
    """

    def __init__(self, capacity: int, space: Space) -> None:
        if capacity < 1:
            raise ClbenchError(f"a memory of {capacity} samples cannot hold any; give at least 1")
        self.capacity = capacity
        self.seen = 0
        self._device = space.device
        self._x: Tensor | None = None  # [stored, ...] as the source stores them
        self._y = torch.zeros(0, dtype=torch.int64, device=space.device)

    def __len__(self) -> int:
        return len(self._y)

    def add(self, batch: Batch, generator: Generator) -> None:
        """Offer a batch: each sample is kept by its own draw."""
        numbers = self.seen + torch.arange(1, len(batch) + 1)
        self.seen += len(batch)
        # Slots below the capacity are taken in order; later ones are uniform over all numbers.
        draws = (torch.rand(len(batch), generator=generator, dtype=torch.float64) * numbers).long()
        slots = torch.where(numbers <= self.capacity, numbers - 1, draws)
        kept = slots < self.capacity
        self._store(slots[kept], batch.raw[kept.to(self._device)], batch.y[kept.to(self._device)])

    def _store(self, slots: Tensor, x: Tensor, y: Tensor) -> None:
        # Written one after the other: of two samples drawn for one slot the later stays.
        last = {slot: row for row, slot in enumerate(slots.tolist())}
        if not last:
            return
        rows = torch.tensor(list(last.values()), device=self._device)
        where = torch.tensor(list(last), device=self._device)
        stored = max(len(self), int(where.max()) + 1)
        self._x, self._y = self._sized(stored, x), _grown(self._y, stored)
        self._x[where], self._y[where] = x[rows], y[rows]

    def _sized(self, stored: int, like: Tensor) -> Tensor:
        return _grown(like[:0] if self._x is None else self._x, stored)

    def sample(self, batch: Batch, generator: Generator) -> tuple[Tensor, Tensor]:
        """As many stored samples as the batch has (fewer while fewer are stored), as (x, y).

        They are drawn without repetition and prepared as the batch was: augmented anew.
        """
        if self._x is None:
            return batch.x[:0], batch.y[:0]
        drawn = torch.randperm(len(self), generator=generator)[: len(batch)].to(self._device)
        return batch.prepare(self._x[drawn]), self._y[drawn]

    def state_dict(self) -> dict[str, Any]:
        """Samples, labels and the count of samples offered."""
        stored = {} if self._x is None else {"x": self._x, "y": self._y}
        return {"seen": self.seen, **stored}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a saved memory."""
        self.seen = state["seen"]
        if "x" in state:
            self._x, self._y = state["x"].to(self._device), state["y"].to(self._device)


def _grown(tensor: Tensor, size: int) -> Tensor:
    if size == len(tensor):
        return tensor
    extra = tensor.new_zeros((size - len(tensor), *tensor.shape[1:]))
    return torch.cat([tensor, extra])
