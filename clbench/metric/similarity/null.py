"""A similarity beside its null: the same measure after one side's samples were permuted."""

from dataclasses import dataclass

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.similarity.distances import hashed_subset
from clbench.metric.similarity.measures import Measure
from clbench.metric.similarity.pairs import Embedded, check_same_samples

DRAWS = 20


@dataclass(frozen=True)
class Compared:
    """What a measure says of two representations of n samples.

    `null` and `spread` are mean and standard deviation over permutations, `p` the share of these
    (the value among them) that look at least as similar. `label` holds n, and k where it counts.
    """

    label: str
    value: float
    n: int
    null: float
    spread: float
    p: float


def compared(
    measure: Measure, first: Embedded, second: Embedded, draws: int = DRAWS, seed: int = 0
) -> Compared:
    """A measure with its permutation null.

    Raises:
        ClbenchError: the embeddings are of other samples, or in another order; fewer than 2 draws;
            see `pairs.check_pair`.
    """
    check_same_samples(first, second)
    if draws < 2:
        raise ClbenchError(f"a null of {draws} permutations has no spread; take 2 or more")
    x, y = first.values, second.values
    if measure.most is not None and len(x) > measure.most:
        rows = hashed_subset(first.samples, measure.most)
        x, y = x[rows], y[rows]
    value, rng = measure.function(x, y), np.random.default_rng(seed)
    found = np.array([measure.function(x, y[rng.permutation(len(y))]) for _ in range(draws)])
    alike = found >= value if measure.direction == "higher" else found <= value
    return Compared(
        label=measure.label(len(x)),
        value=value,
        n=len(x),
        null=float(found.mean()),
        spread=float(found.std(ddof=1)),
        p=float((1 + alike.sum()) / (1 + draws)),
    )
