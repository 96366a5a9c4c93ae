"""What a store is made from: class names and splits that are computed block by block."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import Split, check_split


@dataclass(frozen=True)
class Pending:
    """A split still to be computed: how many samples there will be, and blocks of them."""

    count: int
    blocks: Iterable[Split]


@dataclass(frozen=True)
class Contents:
    """What goes into a store."""

    classes: tuple[str, ...]
    train: Pending
    test: Pending


def write_split(folder: Path, split: str, pending: Pending, n_classes: int) -> list[str]:
    """Write the arrays of a split, samples block by block; returns the names of `other`."""
    blocks = iter(pending.blocks)
    first = next(blocks, None)
    if first is None:
        raise ClbenchError(f"there are no {split} samples")
    y, other = [], {name: [] for name in first.other}  # type: ignore[var-annotated]
    with (folder / f"x_{split}.npy").open("wb") as file:
        header = {"descr": first.x.dtype.str, "fortran_order": False}
        np.lib.format.write_array_header_1_0(
            file, header | {"shape": (pending.count, *first.shape)}
        )
        for block in chain([first], blocks):
            check_split(block, n_classes, f"{split} split")
            file.write(np.ascontiguousarray(block.x).data)
            y.append(block.y)
            for name, parts in other.items():
                parts.append(block.other[name])
    np.save(folder / f"y_{split}.npy", np.concatenate(y))
    for i, parts in enumerate(other.values()):
        np.save(folder / f"other_{split}_{i}.npy", np.concatenate(parts))
    return list(other)
