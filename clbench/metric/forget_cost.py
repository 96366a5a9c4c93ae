"""What forgetting costs, as a share of retraining. Means over models [N] and oracles [M]."""

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured
from clbench.metric.group import group_metric

FloatArray = npt.NDArray[np.float64]


@group_metric(direction="lower", range=(0, float("inf")), headline=True)
def forget_flops_share(forget_flops: FloatArray, oracle_forget_flops: FloatArray) -> float:
    """FLOPs of the forget updates over those that retraining takes."""
    return _share(forget_flops, oracle_forget_flops, "FLOPs")


@group_metric(direction="lower", range=(0, float("inf")))
def forget_seconds_share(forget_seconds: FloatArray, oracle_forget_seconds: FloatArray) -> float:
    """Seconds of the forget updates over those of retraining, on the machines of the runs."""
    return _share(forget_seconds, oracle_forget_seconds, "seconds")


def _share(own: FloatArray, oracle: FloatArray, what: str) -> float:
    if not oracle.mean() > 0:
        raise NotMeasured(f"retraining took no {what} that were counted")
    return float(own.mean() / oracle.mean())
