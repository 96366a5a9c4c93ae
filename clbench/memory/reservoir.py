"""A uniform sample of a stream of unknown length."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from clbench.columns import Columns
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

    def add(self, batch: Batch, generator: Generator, **further: Tensor) -> None:
        """Offer a batch: each sample is kept by its own draw, with its row of further columns.

        A further column, [B, width] of floats, may be wider at each call.
        """
        numbers = self.seen + torch.arange(1, len(batch) + 1)
        self.seen += len(batch)
        # Slots below the capacity are taken in order; later ones are uniform over all numbers.
        draws = (torch.rand(len(batch), generator=generator, dtype=torch.float64) * numbers).long()
        slots = torch.where(numbers <= self.capacity, numbers - 1, draws).tolist()
        # Written one after the other: of two samples drawn for one slot the later stays.
        last = {slot: row for row, slot in enumerate(slots) if slot < self.capacity}
        self._columns.write(last, batch.raw, batch.y, **further)

    def sample(
        self, batch: Batch, generator: Generator, *further: str, count: int | None = None
    ) -> tuple[Tensor, ...]:
        """Stored samples as (x, y), and their rows of further columns, if named.

        As many as the batch has, or `count`; fewer while fewer are stored. They are drawn without
        repetition and prepared as the batch was: augmented anew.
        """
        return self._columns.sample(batch, generator, further, count)

    def state_dict(self) -> dict[str, Any]:
        """Samples, labels, further columns and the count of samples offered."""
        return {"seen": self.seen, **self._columns.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved memory."""
        self.seen = state["seen"]
        self._columns.load_state_dict({k: v for k, v in state.items() if k != "seen"})
