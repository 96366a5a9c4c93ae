"""What pictures show of a run, version by version, and its mean over seeds.

V versions, E evaluation sets, U = V - 1 updates. Shares are in [0, 1]; NaN where nothing was asked.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from clbench.evidence import Evidence
from clbench.metric import NotMeasured
from clbench.metric.forgetting import forgetting_from_peak
from clbench.metric.trace import Trace
from clbench.statistics import mean_interval

FloatArray = npt.NDArray[np.float64]
BoolArray = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Trajectory:
    """One run.

    `flips` are shares of the samples that the older version had learnt: gained; lost and right
    again in some later version; lost for ever, that is wrong in all later versions.
    """

    accuracy: FloatArray  # [V, E]
    seen: FloatArray  # [V] accuracy on all samples of what was learnt so far
    forgetting: FloatArray  # [V] from peak, as if the version were the last
    flips: FloatArray  # [U, 3]
    trace: Trace | None = None  # inside updates, if they were probed


@dataclass(frozen=True)
class Band:
    """A mean over seeds with its 95 % t interval; the ends are NaN below two seeds."""

    mean: FloatArray  # [V]
    low: FloatArray  # [V]
    high: FloatArray  # [V]


@dataclass(frozen=True)
class Course:
    """A set-up: the mean of its runs' trajectories, and the trace of the first run."""

    label: str
    control: bool
    accuracy: FloatArray  # [V, E]
    seen: Band
    forgetting: Band
    flips: FloatArray  # [U, 3]
    trace: Trace | None = None


def trajectory(evidence: Evidence) -> Trajectory:
    """The trajectory of a run.

    Raises:
        NotMeasured: the run was asked nothing that a picture could show.
    """
    accuracy = evidence.accuracy
    if np.isnan(accuracy).all():
        raise NotMeasured("no version was asked anything")
    pairs = zip(evidence.correct, evidence.known, strict=True)
    seen = [float(right[had].mean()) if had.any() else np.nan for right, had in pairs]
    forgetting = [_forgetting(accuracy[: v + 1], evidence) for v in range(len(accuracy))]
    flips, trace = flip_shares(evidence), evidence.trace if evidence.probed else None
    return Trajectory(accuracy, np.array(seen), np.array(forgetting), flips, trace)


def flip_shares(evidence: Evidence) -> FloatArray:
    """[U, 3] shares gained, lost and regained later, lost for ever (see `Trajectory`)."""
    correct, known, flips = evidence.correct, evidence.known, evidence.flips
    shares = np.full((len(flips), 3), np.nan)
    stays_wrong = np.ones(len(correct[-1]), dtype=bool)
    for update in reversed(range(len(flips))):
        n = len(correct[update])
        stays_wrong[: len(correct[update + 1])] &= ~correct[update + 1]
        for_ever = int((known[update] & correct[update] & stays_wrong[:n]).sum())
        table = flips[update]
        if table.n:
            shares[update] = np.array([table.pf, table.nf - for_ever, for_ever]) / table.n
    return shares


def course(label: str, control: bool, runs: Sequence[Trajectory]) -> Course:
    """The mean of a set-up's runs, at least one."""
    return Course(
        label,
        control,
        np.mean([run.accuracy for run in runs], axis=0),
        band([run.seen for run in runs]),
        band([run.forgetting for run in runs]),
        np.mean([run.flips for run in runs], axis=0),
        runs[0].trace,
    )


def band(curves: Sequence[FloatArray]) -> Band:
    """Mean and interval, point by point, of curves [V]."""
    points = np.stack(curves)
    low = np.full(points.shape[1], np.nan)
    high = low.copy()
    for version, values in enumerate(points.T):
        if len(values) > 1 and not np.isnan(values).any():
            low[version], high[version] = mean_interval(values.tolist())
    return Band(points.mean(axis=0), low, high)


def _forgetting(accuracy: FloatArray, evidence: Evidence) -> float:
    try:
        return float(forgetting_from_peak(accuracy, evidence.learnt))
    except NotMeasured:
        return float("nan")
