"""What an attacker finds in unlearned models: which points they once knew.

Attacks have no good direction of their own: what counts is how far they get on the oracles, which
never saw the points. That is their null.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric.epsilon import epsilon_held_out
from clbench.metric.group import group_metric
from clbench.metric.rmia import rmia_area
from clbench.metric.ulira import ulira_balanced_accuracy

Floats = Mapping[str, npt.NDArray[np.floating]]


@group_metric(
    direction="lower", range=(0, 1), paper="arXiv:2403.01218", distribution=True, headline=True
)
def ulira(margins: Floats, oracle_margins: Floats) -> float:
    """Balanced accuracy of telling forgot from never saw, point by point, with Gaussians."""
    return ulira_balanced_accuracy(margins["forget"], oracle_margins["forget"])


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2312.03262")
def rmia_auc(margins: Floats, oracle_margins: Floats) -> float:
    """Area under the curve of RMIA: forgotten points against test points, oracles as references.

    A few oracles do. 0.5 tells nothing apart; what matters is the oracles' own value.
    """
    forget = margins["forget"], oracle_margins["forget"]
    return rmia_area(forget, (margins["test"], oracle_margins["test"]))


@group_metric(
    direction="lower", range=(0, 50), paper="arXiv:2406.09073", unit="nats",
    distribution=True, costly=True,
)  # fmt: skip
def forget_epsilon(margins: Floats, oracle_margins: Floats) -> float:
    """Mean over forgotten points of epsilon, with decision rules judged on models held out.

    At most ln(2 n) with n models a side.
    """
    return float(epsilon_held_out(margins["forget"], oracle_margins["forget"]).mean())
