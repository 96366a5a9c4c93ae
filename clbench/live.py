"""Peak memory of a stretch of operations, read from the tensors that they touch."""

from typing import Any

from torch import Tensor, strided
from torch.multiprocessing.reductions import StorageWeakRef
from torch.utils._pytree import tree_leaves

Storages = dict[int, tuple[StorageWeakRef, int]]  # by address


class LiveBytes:
    """Most bytes of tensors in use at once during a stretch: `peak`.

    What an operation is given and no earlier one made was there from the beginning, and counts to
    the end: parameters, optimiser state, inputs, replayed samples, a teacher. What operations made
    counts while it lives: activations that autograd keeps, gradients, values in between.

    FoMo-in-Flux (2408.14471) reads what the GPU's allocator reports. This is the same wherever the
    same operations run, a CPU included; it leaves out the allocator's rounding, libraries'
    workspaces, the samples of the stream and whatever no operation touches.
    """

    def __init__(self) -> None:
        self.looking = True
        self._most_made = 0
        self._resident: Storages = {}
        self._made: Storages = {}

    def given(self, *values: Any) -> None:
        """An operation is about to run on these."""
        if self.looking:
            for key, storage in _storages(values).items():
                if key not in self._made:
                    self._resident.setdefault(key, storage)

    def made(self, out: Any) -> None:
        """An operation has returned this."""
        if not self.looking:
            return
        for key, storage in _storages(out).items():
            if key not in self._resident:
                self._made.setdefault(key, storage)
        self._made = {k: (ref, n) for k, (ref, n) in self._made.items() if not ref.expired()}
        self._most_made = max(self._most_made, _bytes(self._made))

    @property
    def peak(self) -> int:
        """Bytes."""
        return self._most_made + _bytes(self._resident)


def _storages(values: Any) -> Storages:
    """Each storage among nested values, with its size; a weak hold keeps its address from reuse."""
    found = {}
    for value in tree_leaves(values):
        if isinstance(value, Tensor) and value.layout is strided:  # others are made of such
            storage = value.untyped_storage()
            ref = StorageWeakRef(storage)
            found[ref.cdata] = (ref, storage.nbytes())
    return found


def _bytes(storages: Storages) -> int:
    return sum(size for _, size in storages.values())
