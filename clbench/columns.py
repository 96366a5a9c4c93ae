"""Samples and what is known of each, in columns on the device: what all memories keep them in."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from clbench.errors import ClbenchError
from clbench.view import Batch


class Columns:
    """Samples as the source stores them, [n, ...], labels [n], and further columns [n, width].

    Further columns hold floats and may grow in width (logits do, as classes arrive): what a row
    does not know is NaN at its right.
    """

    def __init__(self, device: torch.device) -> None:
        self.y = torch.zeros(0, dtype=torch.int64, device=device)
        self._x: Tensor | None = None  # shape and type are those of the first sample
        self._further: dict[str, Tensor] = {}
        self._device = device

    def __len__(self) -> int:
        return len(self.y)

    @property
    def x(self) -> Tensor:
        """The stored samples [n, ...].

        Raises:
            ClbenchError: there are none yet.
        """
        if self._x is None:
            raise ClbenchError("the memory is empty: it has no samples to look at")
        return self._x

    def write(self, slots: Mapping[int, int], x: Tensor, y: Tensor, **further: Tensor) -> None:
        """Put rows of `x`, `y` and further columns at slots: {slot: row}; new slots follow on."""
        if not slots:
            return
        where = torch.tensor(list(slots), device=self._device)
        rows = torch.tensor(list(slots.values()), device=self._device)
        stored = max(len(self), max(slots) + 1)
        self._x = _grown(x[:0] if self._x is None else self._x, stored)
        self.y = _grown(self.y, stored)
        self._x[where], self.y[where] = x[rows], y[rows]
        for name, column in further.items():
            kept = self._further.get(name, column[:0])
            width = max(kept.shape[1], column.shape[1])
            self._further[name] = _grown(_widened(kept, width), stored)
            self._further[name][where] = _widened(column, width)[rows]

    def fill(self, x: Tensor, y: Tensor) -> None:
        """Hold these samples and no others."""
        self._x, self.y = x, y

    def sample(
        self, batch: Batch, generator: Generator, further: tuple[str, ...], count: int | None
    ) -> tuple[Tensor, ...]:
        """Rows drawn without repetition as (x, y, *further), prepared as the batch was."""
        if self._x is None:
            return batch.x[:0], batch.y[:0], *(batch.x.new_zeros(0, 0) for _ in further)
        count = len(batch) if count is None else count
        drawn = torch.randperm(len(self), generator=generator)[:count].to(self._device)
        columns = (self._further[name][drawn] for name in further)
        return batch.prepare(self._x[drawn]), self.y[drawn], *columns

    def state_dict(self) -> dict[str, Any]:
        """All columns; nothing while nothing is stored."""
        return {} if self._x is None else {"x": self._x, "y": self.y, **self._further}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved columns."""
        if "x" in state:
            columns = {name: column.to(self._device) for name, column in state.items()}
            self._x, self.y, self._further = columns.pop("x"), columns.pop("y"), columns


def share(capacity: int, groups: int, what: str) -> int:
    """How many samples each of some groups may keep of a capacity.

    Raises:
        ClbenchError: fewer than one.
    """
    if capacity < max(1, groups):
        raise ClbenchError(
            f"a memory of {capacity} samples cannot hold one of each of {groups} {what}; "
            f"give at least {max(1, groups)}"
        )
    return capacity // max(1, groups)


def _grown(tensor: Tensor, size: int) -> Tensor:
    if size == len(tensor):
        return tensor
    extra = tensor.new_zeros((size - len(tensor), *tensor.shape[1:]))
    return torch.cat([tensor, extra])


def _widened(column: Tensor, width: int) -> Tensor:
    return torch.nn.functional.pad(column, (0, width - column.shape[1]), value=torch.nan)
