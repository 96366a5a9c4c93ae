"""The samples of one update while it lasts, found by their ids."""

from collections.abc import Iterable

import torch
from torch import Tensor

from clbench.errors import ClbenchError
from clbench.view import Batch


class Lookup:
    """Holds the samples of some chunks as they are stored; not to be carried over an update."""

    def __init__(self, chunks: Iterable[Batch]) -> None:
        found = list(chunks)
        self._ids = torch.cat([batch.ids for batch in found]) if found else torch.zeros(0).long()
        self._raw = torch.cat([batch.raw for batch in found]) if found else torch.zeros(0)
        self._y = torch.cat([batch.y for batch in found]) if found else torch.zeros(0).long()

    @property
    def ids(self) -> Tensor:
        """The ids [n] that it holds."""
        return self._ids

    def among(self, ids: Tensor) -> Tensor:
        """Those of the ids [n] that it holds, in their order."""
        return ids[torch.isin(ids, self._ids.to(ids))]

    def of(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Stored samples [n, ...] and labels [n] of ids [n], in the order of these.

        Raises:
            ClbenchError: it does not hold them all.
        """
        missing = ids[~torch.isin(ids, self._ids)]
        if len(missing):
            raise ClbenchError(
                f"the update does not show {len(missing)} of the samples that are looked up, such "
                f"as id {int(missing[0])}"
            )
        known, order = self._ids.sort()
        rows = order[torch.searchsorted(known, ids)]
        return self._raw[rows], self._y[rows]
