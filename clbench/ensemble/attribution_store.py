"""An attribution as a store: a row a query, and how well it ranks retrained models beside it."""

import time
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from clbench.ensemble.attribution import Attribution
from clbench.ensemble.lds import linear_datamodelling_score
from clbench.ensemble.making import open_store
from clbench.ensemble.retrained import Retrained
from clbench.ensemble.store import AnyArray, Field, Spec, Store

AT_A_TIME = 256  # queries that are attributed, and written, together


def write_attribution(
    path: Path,
    spec: Spec,
    attribute: Callable[[], Attribution],
    found: Retrained,
    constants: Mapping[str, AnyArray],
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """A store with a row a query; one that was cut off goes on, and a whole one is left alone.

    A row has the `scores` [n] of the training samples, their `lds` on the models held out (NaN
    where the query's margins, or the sums of its scores, do not vary), the `penalty` and `seconds`.

    Raises:
        ClbenchError: the folder holds something else, or cannot be written.
    """
    total = found.margins.shape[1]
    store = open_store(path, spec, total, constants)
    start, attribution = time.perf_counter(), None
    for first in range(0, total, AT_A_TIME):
        some = slice(first, min(first + AT_A_TIME, total))
        if not store.completed[some].all():
            attribution = attribution or attribute()
            rows = _rows(attribution, some, found)
            seconds, start = time.perf_counter() - start, time.perf_counter()
            share = np.full(some.stop - first, seconds / (some.stop - first))
            store.write(range(first, some.stop), rows | {"seconds": share})
        on_rows(some.stop, total)
    return store


def fields(samples: int) -> dict[str, Field]:
    """Of a row, where there are so many training samples."""
    numbers = {name: Field((), "float64") for name in ("lds", "penalty", "seconds")}
    return {"scores": Field((samples,), "float32"), **numbers}


def _rows(attribution: Attribution, some: slice, found: Retrained) -> dict[str, AnyArray]:
    scores = attribution.scores(some)
    predicted = found.masks[found.held].astype(np.float64) @ scores
    lds = linear_datamodelling_score(predicted, found.margins[found.held, some])
    penalty = np.full(len(lds), attribution.penalty)
    return {"scores": scores.T.astype(np.float32), "lds": lds, "penalty": penalty}
