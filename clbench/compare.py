"""Two methods side by side: same stream, seeds and samples, so that every difference is paired."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from clbench.alike import tuning_notes
from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.measure import load_metrics, measure
from clbench.metric import Metric
from clbench.metric.flip_table import FlipTable, flip_table, pooled
from clbench.pairing import pair
from clbench.score import split_finished
from clbench.statistics import Interval, mean_interval, paired_t, two_way_bootstrap

Pairs = Mapping[int, tuple[Evidence, Evidence]]  # by seed


@dataclass(frozen=True)
class Difference:
    """A metric of b minus that of a, over the `n` shared seeds that have both.

    `interval` is 95 %; `p` is two-sided, from Student's t test over the seeds' differences. Both
    are None below two seeds (`mean` too with none); `why` then says so.
    """

    n: int
    mean: float | None
    interval: Interval | None
    p: float | None
    why: str = ""


@dataclass(frozen=True)
class Comparison:
    """Two set-ups a and b on one stream, over the seeds that both have.

    `accuracy` is the difference in final accuracy, b minus a; its interval resamples seeds and
    test samples, so it exists with one seed too. `flips` has, for each seed, how the final
    answers change from a to b; its McNemar tests hold for that pair of models, and `accuracy.p`
    for the methods. `metrics` has the other differences by id, with intervals over seeds.
    `left_out` tells of unfinished runs and of metrics that do not load, `notes` of how the two were
    tuned, if they were.
    """

    stream: str
    a: str
    b: str
    seeds: tuple[int, ...]
    accuracy: Difference
    flips: dict[int, FlipTable]
    metrics: dict[str, Difference]
    left_out: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def pooled_flips(self) -> FlipTable:
        """The flips of all seeds together.

        The seeds share their test samples, so its McNemar test takes repeats for new samples and
        its p-value is too small; read those of the seeds.
        """
        return pooled(self.flips.values())


def compare(
    a: Sequence[Ledger], b: Sequence[Ledger], metrics: Sequence[str] | None = None
) -> Comparison:
    """Compare the runs of one set-up with those of another.

    Raises:
        ClbenchError: a side has no finished run or mixes set-ups; the sides are on different
            streams, share no seed or are the same; or a ledger is broken.
    """
    finished_a, unfinished_a = split_finished(a)
    finished_b, unfinished_b = split_finished(b)
    found = pair(finished_a, finished_b)
    flips = {seed: _flips(*sides) for seed, sides in found.runs.items()}
    declared, broken = load_metrics(metrics, costly=False)
    return Comparison(
        found.stream,
        found.a,
        found.b,
        tuple(found.runs),
        _accuracy(found.runs),
        flips,
        {name: _difference(metric, found.runs) for name, metric in declared.items()},
        (*unfinished_a, *unfinished_b, *broken),
        tuning_notes([(found.a, finished_a[0].record), (found.b, finished_b[0].record)]),
    )


def _flips(a: Evidence, b: Evidence) -> FlipTable:
    """How the final answers change from a to b."""
    for name in ("samples", "labels"):
        if not np.array_equal(a.of(name), b.of(name)):
            raise ClbenchError(
                f"{a.path} and {b.path} have other {name} on the same stream; rerun one of them"
            )
    return flip_table(a.labels, a.predicted[-1], b.predicted[-1])


def _accuracy(pairs: Pairs) -> Difference:
    """The difference in final accuracy, its interval over seeds and samples."""
    gained = [b.correct[-1].astype(np.int8) - a.correct[-1] for a, b in pairs.values()]
    differences = [float(each.mean()) for each in gained]
    over_seeds = _over_seeds(differences)
    return Difference(
        len(pairs),
        float(np.mean(differences)),
        two_way_bootstrap(np.stack(gained)),
        over_seeds.p,
        over_seeds.why and "one shared seed: the interval is over its samples, and there is no p",
    )


def _difference(metric: Metric, pairs: Pairs) -> Difference:
    """The difference in a metric, over the seeds where both sides have it."""
    scores = [(measure(metric, a), measure(metric, b)) for a, b in pairs.values()]
    whys = dict.fromkeys(each.why for sides in scores for each in sides if each.value is None)
    both = [y.value - x.value for x, y in scores if x.value is not None and y.value is not None]
    if not both:
        return Difference(0, None, None, None, "; ".join(whys))
    return _over_seeds(both, "; ".join(whys))


def _over_seeds(differences: Sequence[float], why: str = "") -> Difference:
    mean = sum(differences) / len(differences)
    if len(differences) == 1:
        why = "; ".join(filter(None, [why, "one shared seed, so no interval and no p"]))
        return Difference(1, mean, None, None, why)
    interval, p = mean_interval(differences), paired_t(differences)
    return Difference(len(differences), mean, interval, p, why)
