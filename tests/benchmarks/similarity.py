"""Similarities of representations of a real evaluation, beside forms over pairs of samples."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from math import sqrt

import numpy as np
import numpy.typing as npt

from clbench.metric.similarity.cka import linear_cka, linear_cka_in_chunks
from clbench.metric.similarity.distances import distance_correlation, hashed_subset, rsa
from clbench.metric.similarity.neighbours import knn_jaccard
from clbench.metric.similarity.procrustes import procrustes_distance
from tests.benchmarks.measure import Result, seconds
from tests.benchmarks.scoring import peak_mib

Table = npt.NDArray[np.float32]
SAMPLES, FEATURES, CHUNK = 10_000, 2048, 2500
MOST = {"CKA": 3.0, "Procrustes": 15.0, "k-NN Jaccard": 8.0, "RSA, 2,000 of them": 3.0}
MOST_MIB, LEAST_RATIO = 1536.0, 5.0


def run() -> Iterator[Result]:
    """Each measure once on 10,000 embeddings of 2048 features, then CKA by Gram matrices."""
    x, y = _related()
    rows = hashed_subset(np.arange(SAMPLES))
    works: dict[str, Callable[[], float]] = {
        "CKA": partial(linear_cka, x, y),
        "k-NN Jaccard": partial(knn_jaccard, x, y),
        "RSA, 2,000 of them": lambda: rsa(x[rows], y[rows]),
        "Procrustes": partial(procrustes_distance, x, y),
        "CKA in chunks": partial(linear_cka_in_chunks, partial(_chunks, x, y)),
        "distance correlation": partial(distance_correlation, x, y),
    }
    values, took = {}, {}
    linear_cka(x[:CHUNK], y[:CHUNK])  # libraries start their threads
    for name, work in works.items():
        start = time.perf_counter()
        values[name] = work()
        took[name] = time.perf_counter() - start
        what, most = f"{name}, {SAMPLES:,} x {FEATURES}", MOST.get(name)
        target = f"< {most:.0f} s" if most else ""
        met = took[name] < most if most else None
        yield Result("similarity", what, seconds(took[name]), target, met)
    peak = peak_mib()
    what = "most memory, embeddings and libraries included"
    yield Result("similarity", what, f"{peak:.0f} MiB", f"< {MOST_MIB:.0f} MiB", peak < MOST_MIB)
    start = time.perf_counter()
    np.testing.assert_allclose(by_grams(x, y), values["CKA"], atol=1e-9)
    ratio = (time.perf_counter() - start) / took["CKA"]
    target = f"{LEAST_RATIO:.0f} x"
    yield Result(
        "similarity", "CKA, Gram matrices / ours", f"{ratio:.1f} x", target, ratio >= LEAST_RATIO
    )


def by_grams(x: Table, y: Table) -> float:
    """Debiased CKA from U-centred matrices over pairs of samples, as public code has it."""
    k, other = (_u_centred(each) for each in (x, y))
    return float(np.vdot(k, other) / sqrt(np.vdot(k, k) * np.vdot(other, other)))


def _u_centred(values: Table) -> npt.NDArray[np.float64]:
    wide = values.astype(np.float64)
    gram = wide @ wide.T
    np.fill_diagonal(gram, 0)
    n = len(gram)
    means = gram.sum(axis=0) / (n - 2)
    means -= means.sum() / (2 * (n - 1))
    gram -= means[:, None]
    gram -= means
    np.fill_diagonal(gram, 0)
    return gram


def _chunks(x: Table, y: Table) -> Iterator[tuple[Table, Table]]:
    for start in range(0, len(x), CHUNK):
        yield x[start : start + CHUNK], y[start : start + CHUNK]


def _related() -> tuple[Table, Table]:
    """Embeddings after a ReLU, as those of a network are; half of the second is the first."""
    rng = np.random.default_rng(0)
    draws = (rng.standard_normal((SAMPLES, FEATURES), dtype=np.float32) for _ in range(2))
    first, second = draws
    second += first
    return np.maximum(first, 0), np.maximum(second, 0)
