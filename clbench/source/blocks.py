"""Sources made from other sources: rows taken block by block, so that memory stays bounded."""

from collections.abc import Iterator

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source, Split

BLOCK_BYTES = 1 << 26


def rows_of(split: Split, ids: IntArray | slice) -> Split:
    """Some samples of a split with all their labellings."""
    others = {name: labels[ids] for name, labels in split.other.items()}
    return Split(split.x[ids], split.y[ids], others)


def blocks_of(split: Split, ids: IntArray) -> Iterator[Split]:
    """The samples of some ids in blocks of up to 64 MiB."""
    rows = max(1, BLOCK_BYTES // max(1, split.x[:1].nbytes))
    for start in range(0, len(ids), rows):
        yield rows_of(split, ids[start : start + rows])


def everything(split: Split) -> IntArray:
    """The ids of all samples of a split."""
    return np.arange(len(split), dtype=np.int64)


def check_images(source: Source, who: str) -> None:
    """Raise an error unless the samples are images."""
    if len(source.train.shape) != 3:
        raise ClbenchError(f"{who} needs images, and {source.spec} has vectors")
