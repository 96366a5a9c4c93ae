"""Gaussian classes, for tests and for measuring at scale."""

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import Source, Split, spec_of


def synthetic(
    classes: int = 10,
    per_class: int = 100,
    test_per_class: int = 50,
    dim: int = 16,
    separation: float = 3.0,
    seed: int = 0,
) -> Source:
    """Float32 vectors [N, dim]: unit normal noise around class means.

    The means are normal with a standard deviation of `separation / sqrt(2 * dim)` a coordinate,
    so that two of them lie about `separation` apart. Samples are sorted by class.

    Raises:
        ClbenchError: an option is out of range.
    """
    options = {"classes": classes, "per_class": per_class, "dim": dim}
    for name, value in (options | {"test_per_class": test_per_class}).items():
        if type(value) is not int or value < 1:
            raise ClbenchError(f"synthetic: {name} must be a whole number above 0; got {value}")
    if not isinstance(separation, int | float) or not 0 <= separation < np.inf:
        raise ClbenchError(f"synthetic: separation must be 0 or more; got {separation}")
    if type(seed) is not int or seed < 0:
        raise ClbenchError(f"synthetic: seed must be a whole number, 0 or more; got {seed}")
    generator = np.random.default_rng(seed)
    means = generator.standard_normal((classes, dim)) * separation / np.sqrt(2 * dim)

    def split(count: int) -> Split:
        y = np.repeat(np.arange(classes, dtype=np.int64), count)
        x = generator.standard_normal((len(y), dim), dtype=np.float32)
        x += means[y].astype(np.float32)
        return Split(x, y)

    spec = spec_of(
        "synthetic", **options, test_per_class=test_per_class, separation=separation, seed=seed
    )
    return Source(spec, split(per_class), split(test_per_class), tuple(map(str, range(classes))))
