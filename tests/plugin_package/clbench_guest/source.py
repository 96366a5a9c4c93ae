"""A source of a third party."""

import numpy as np

from clbench.source.base import Source, Split, spec_of


def guest_points(count: int = 8) -> Source:
    """Points on a line, in four classes."""
    y = np.arange(4 * count, dtype=np.int64) % 4
    split = Split(y[:, None].astype(np.float32), y)
    return Source(spec_of("guest_points", count=count), split, split, ("a", "b", "c", "d"))
