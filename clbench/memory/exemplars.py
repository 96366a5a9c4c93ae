"""Lists of samples, one a class or an update, that share a memory equally."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor

from clbench.columns import Columns, share
from clbench.model.network import Space
from clbench.view import Batch

Lists = dict[int, tuple[Tensor, Tensor]]  # group: samples [n, ...] and labels [n], best first


class Exemplars:
    """Each group keeps the first capacity // groups samples of its list.

    As groups arrive, lists are cut at their end and keep their order, so that what is kept is
    what a smaller memory would have chosen (1611.07725, algorithm 5).
    """

    def __init__(self, capacity: int, space: Space) -> None:
        share(capacity, 1, "groups")
        self.capacity = capacity
        self.sizes: dict[int, int] = {}  # of each group's list
        self._columns = Columns(space.device)

    def __len__(self) -> int:
        return len(self._columns)

    def share(self, groups: int, what: str) -> int:
        """Samples a group, were there so many groups.

        Raises:
            ClbenchError: fewer than one.
        """
        return share(self.capacity, groups, what)

    def lists(self) -> Lists:
        """Each group's samples, as the source has them, and labels."""
        if not self.sizes:
            return {}
        sizes = list(self.sizes.values())
        parts = zip(self._columns.x.split(sizes), self._columns.y.split(sizes), strict=True)
        return dict(zip(self.sizes, parts, strict=True))

    def put(self, group: int, x: Tensor, y: Tensor) -> None:
        """Give a group its list, best first; all lists are cut to their share.

        Raises:
            ClbenchError: there are more groups than places.
        """
        lists = {**self.lists(), group: (x, y)}
        most = self.share(len(lists), "groups")
        self.sizes = {group: min(most, len(y)) for group, (_, y) in lists.items()}
        self._columns.fill(
            torch.cat([x[:most] for x, _ in lists.values()]),
            torch.cat([y[:most] for _, y in lists.values()]),
        )

    def sample(
        self, batch: Batch, generator: Generator, *, count: int | None = None
    ) -> tuple[Tensor, ...]:
        """Stored samples as (x, y), drawn over all groups and prepared as the batch was.

        As many as the batch has, or `count`; fewer while fewer are stored.
        """
        return self._columns.sample(batch, generator, (), count)

    def state_dict(self) -> dict[str, Any]:
        """The lists end to end, with their groups and sizes."""
        groups, sizes = list(self.sizes), list(self.sizes.values())
        return {"groups": groups, "sizes": sizes, "samples": self._columns.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved lists."""
        self.sizes = dict(zip(state["groups"], state["sizes"], strict=True))
        self._columns.load_state_dict(state["samples"])
