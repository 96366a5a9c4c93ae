"""What there is to forget, and what of it is to be forgotten."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import SplitName
from clbench_scenarios.attribution import RidgeHead, features_of
from clbench_scenarios.building import check_share, check_whole, drawing

NONE: IntArray = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True)
class Learnt:
    """What there is to forget: the train ids that each learn update taught."""

    source: Source
    name: str  # of the stream, for errors
    updates: Sequence[IntArray]
    seed: int = 0

    @cached_property
    def ids(self) -> IntArray:
        """[n] all of them, ascending."""
        return np.unique(np.concatenate(self.updates))

    @cached_property
    def labels(self) -> IntArray:
        """[n] their classes."""
        return self.source.train.y[self.ids]

    def head(self) -> RidgeHead:
        """A ridge head on their arrays."""
        _, labels = np.unique(self.labels, return_inverse=True)
        return RidgeHead(features_of(self.source.train.x[self.ids]), labels.astype(np.int64))

    def drawn(self, ids: IntArray, count: int, *purpose: str | int) -> IntArray:
        """So many of some ids; fewer are among more."""
        return drawing(self.seed, "forget", *purpose).permutation(ids)[:count]

    def count(self, size: object, ids: IntArray, what: str) -> int:
        """A number of samples, or a share of the ids, as a number.

        Raises:
            ClbenchError: it is neither, or leaves nothing to forget or nothing to retain.
        """
        if isinstance(size, float):
            check_share(self.name, "size", size, 0, 1)
            size = round(size * len(ids))
        check_whole(self.name, "size", size, 1)
        assert isinstance(size, int)
        if size > len(ids):
            raise ClbenchError(
                f"{self.name}: {size} samples are to be forgotten of {len(ids)} {what}; lower size"
            )
        return size


@dataclass(frozen=True)
class ForgetSet:
    """Train ids to forget, in `groups` that belong together.

    `test` are ids of the test split that fall under what is forgotten, such as those of a forgotten
    class; `beside` are further samples to ask, by name: split and ids.
    """

    groups: tuple[IntArray, ...]
    test: IntArray = field(default_factory=NONE.copy)
    beside: tuple[tuple[str, SplitName, IntArray], ...] = ()
