"""How far the margins of unlearned models lie from those of oracles, over many models.

A value a point, from `clbench.metric.klom` and `clbench.metric.margin_distance`; the 95th
percentile over the points of a set. All of them are above 0 where nothing differs: see the null.
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric.group import group_metric
from clbench.metric.klom import klom, klom_reverse, over_points
from clbench.metric.margin_distance import margin_kolmogorov_smirnov, margin_wasserstein

Floats = Mapping[str, npt.NDArray[np.floating]]
Distance = Callable[..., npt.NDArray[np.float64]]
MOST = float(np.log(1e5))


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True,
    headline=True,
)  # fmt: skip
def klom_forget(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(unlearned || oracle) of margins over what was to be forgotten."""
    return _p95(klom, "forget", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True
)
def klom_forget_reverse(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(oracle || unlearned) of margins over what was to be forgotten."""
    return _p95(klom_reverse, "forget", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True
)
def klom_retain(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(unlearned || oracle) of margins over retained samples."""
    return _p95(klom, "retain", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True
)
def klom_retain_reverse(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(oracle || unlearned) of margins over retained samples."""
    return _p95(klom_reverse, "retain", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True,
    headline=True,
)  # fmt: skip
def klom_test(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(unlearned || oracle) of margins over test samples."""
    return _p95(klom, "test", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, MOST), paper="arXiv:2410.23232", unit="nats", distribution=True
)
def klom_test_reverse(margins: Floats, oracle_margins: Floats) -> float:
    """The 95th percentile of KL(oracle || unlearned) of margins over test samples."""
    return _p95(klom_reverse, "test", margins, oracle_margins)


@group_metric(
    direction="lower", range=(0, 200), paper="doi:10.1007/978-3-540-71050-9", unit="ratio",
    distribution=True,
)  # fmt: skip
def wasserstein_forget(margins: Floats, oracle_margins: Floats) -> float:
    """Mean Wasserstein-1 distance of margins, in logits, over what was to be forgotten."""
    distances = margin_wasserstein(margins["forget"], oracle_margins["forget"])
    return over_points(distances).mean


@group_metric(
    direction="lower", range=(0, 1), paper="Kolmogorov 1933, Smirnov 1948", distribution=True
)
def kolmogorov_smirnov_forget(margins: Floats, oracle_margins: Floats) -> float:
    """Mean largest gap between shares of models below a margin, over what was to be forgotten."""
    distances = margin_kolmogorov_smirnov(margins["forget"], oracle_margins["forget"])
    return over_points(distances).mean


def _p95(distance: Distance, name: str, margins: Floats, oracle_margins: Floats) -> float:
    return over_points(distance(margins[name], oracle_margins[name])).p95
