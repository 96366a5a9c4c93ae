"""Metrics of unlearning at the size of a real evaluation, beside plain loops over points."""

import time
from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from clbench.metric.epsilon import CAP, epsilon
from clbench.metric.error_tables import DELTA
from clbench.metric.klom import BINS, FLOOR, klom
from clbench.metric.margin_distance import margin_kolmogorov_smirnov, margin_wasserstein
from tests.benchmarks.measure import Result, seconds

Table = npt.NDArray[np.float32]
FloatArray = npt.NDArray[np.float64]
POINTS, MODELS = 60_000, 100
EXAMPLES, CHALLENGERS = 20, 512  # the challenge has 512 models a side
LOOPED, LOOPED_EXAMPLES = 1000, 2  # points that the plain loops are timed on
ROUNDS = 3
MOST_KLOM, MOST_EPSILON, LEAST_RATIO = 2.0, 0.1, 30.0


def run() -> Iterator[Result]:
    """KLoM and what stands beside it for 60,000 points, epsilon for an example."""
    unlearned, oracles = _margins(MODELS, POINTS)
    whole = _quietest(lambda: klom(unlearned, oracles))
    what = f"KLoM, {POINTS:,} points x {MODELS} + {MODELS} models"
    yield Result("unlearning", what, seconds(whole), f"< {MOST_KLOM} s", whole < MOST_KLOM)
    few = unlearned[:, :LOOPED], oracles[:, :LOOPED]
    yield _beside("KLoM", whole / POINTS, klom_loop, klom, few)
    for name, distance in (
        ("Wasserstein", margin_wasserstein),
        ("Kolmogorov-Smirnov", margin_kolmogorov_smirnov),
    ):
        took = _quietest(lambda distance=distance: distance(unlearned, oracles))
        yield Result("unlearning", f"{name} on the same margins", seconds(took))
    sides = _margins(CHALLENGERS, EXAMPLES)
    each = _quietest(lambda: epsilon(*sides)) / EXAMPLES
    what = f"epsilon, {CHALLENGERS} + {CHALLENGERS} models, an example"
    yield Result("unlearning", what, seconds(each), f"< {MOST_EPSILON} s", each < MOST_EPSILON)
    two = sides[0][:, :LOOPED_EXAMPLES], sides[1][:, :LOOPED_EXAMPLES]
    yield _beside("epsilon", each, epsilon_loop, epsilon, two)


def klom_loop(unlearned: Table, oracles: Table) -> FloatArray:
    """KLoM point by point."""
    values = []
    for first, second in zip(unlearned.T, oracles.T, strict=True):
        low, high = min(first.min(), second.min()), max(first.max(), second.max())
        edges = np.linspace(low, high, BINS + 1, dtype=np.float64)
        p = np.histogram(first.astype(np.float64), edges)[0] / len(first)
        q = np.maximum(np.histogram(second.astype(np.float64), edges)[0] / len(second), FLOOR)
        values.append((p[p > 0] * np.log(p[p > 0] / q[p > 0])).sum())
    return np.array(values)


def epsilon_loop(unlearned: Table, retrained: Table) -> FloatArray:
    """Epsilon point by point, asking every model about every rule of one right end at a time."""
    return np.array([_epsilon(*pair) for pair in zip(unlearned.T, retrained.T, strict=True)])


def _epsilon(u: Table, r: Table) -> float:
    u, r = u.astype(np.float64), r.astype(np.float64)
    upper, lower = (r, u) if np.median(r) > np.median(u) else (u, r)
    values = np.concatenate([u, r])
    best = _of_rates(
        (upper[:, None] < values).mean(axis=0), (lower[:, None] >= values).mean(axis=0)
    )
    narrow, wide = (lower, upper) if np.ptp(upper) >= np.ptp(lower) else (upper, lower)
    for right in np.linspace(narrow.max() - 2, narrow.max() + 2, 400):
        middle = right - np.ptp(narrow)
        left = np.linspace(middle - 2, middle + 2, 400)
        hit, accused = (
            ((left <= side[:, None]) & (side[:, None] <= right)).mean(axis=0)
            for side in (narrow, wide)
        )
        best = max(best, _of_rates(1 - hit, accused))
    return float(np.clip(best, 0, CAP))


def _of_rates(missed: FloatArray, accused: FloatArray) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        one = np.log(1 - DELTA - accused) - np.log(missed)
        two = np.log(1 - DELTA - missed) - np.log(accused)
    found = np.fmax(one, two)
    found[(missed == 0) ^ (accused == 0)] = -np.inf
    return float(found.max())


def _margins(models: int, points: int) -> tuple[Table, Table]:
    rng = np.random.default_rng(0)
    draws = (rng.normal(size=(models, points)) for _ in range(2))
    unlearned, oracles = (each.astype(np.float32) for each in draws)
    return unlearned + np.float32(0.5), oracles


def _quietest(work: Callable[[], object]) -> float:
    """Seconds of the fastest of some rounds."""
    found = []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        work()
        found.append(time.perf_counter() - start)
    return min(found)


def _beside(
    name: str,
    ours: float,
    loop: Callable[[Table, Table], FloatArray],
    function: Callable[[Table, Table], FloatArray],
    few: tuple[Table, Table],
) -> Result:
    """How many times as long a plain loop takes for a point, after checking that it agrees."""
    np.testing.assert_allclose(loop(*few), function(*few), rtol=1e-6)
    each = _quietest(lambda: loop(*few)) / few[0].shape[1]
    ratio = each / ours
    text = f"{each * 1e6:.0f} / {ours * 1e6:.1f} us a point, {ratio:.0f} x"
    target = f"{LEAST_RATIO:.0f} x"
    return Result("unlearning", f"{name}, plain loop / ours", text, target, ratio >= LEAST_RATIO)
