"""The samples of a split on a device, gathered by index."""

import numpy as np
import torch
from torch import Tensor

from clbench.source.base import AnyArray, IntArray

RESIDENT_BYTES = 4 << 30


class Samples:
    """Stored inputs [N, ...] and their labels in a stream [N].

    Up to 4 GiB they are resident on the device and a batch is one gather; beyond, they stay
    memory-mapped and batches are read.
    """

    def __init__(self, x: AnyArray, y: IntArray, device: torch.device) -> None:
        self.device = device
        self.shape = tuple(x.shape[1:])
        self._array = x
        self._resident = _tensor(x).to(device) if x.nbytes <= RESIDENT_BYTES else None
        self.y = torch.from_numpy(y).to(device)

    def __len__(self) -> int:
        return len(self.y)

    def gather(self, ids: Tensor) -> Tensor:
        """Inputs of the given ids [n, ...], as they are stored."""
        if self._resident is not None:
            return self._resident.index_select(0, ids)
        return torch.from_numpy(self._array[ids.cpu().numpy()]).to(self.device)


def _tensor(x: AnyArray) -> Tensor:
    # A source's arrays are read-only; torch wants writable memory, so a resident copy is made.
    return torch.from_numpy(np.array(x))
