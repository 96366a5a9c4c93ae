"""What the updates cost. `cost` and `clock` are [V]: one record a version."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric
from clbench.reading import Clock, Cost


@metric(direction="lower", range=(0, float("inf")), unit="flops")
def learn_flops(cost: Sequence[Cost]) -> float:
    """Floating-point operations of all updates together, without prediction."""
    return float(sum(each.flops_learn for each in cost))


@metric(direction="lower", range=(0, float("inf")), unit="bytes")
def state_bytes(cost: Sequence[Cost]) -> float:
    """Bytes that the method carries after the last update: model, memories and all."""
    return float(cost[-1].state_bytes)


@metric(direction="lower", range=(0, float("inf")), unit="bytes")
def state_bytes_peak(cost: Sequence[Cost]) -> float:
    """Most bytes that the method carried between any two updates."""
    return float(max(each.state_bytes for each in cost))


@metric(direction="lower", range=(0, float("inf")), unit="seconds")
def learn_seconds(clock: Sequence[Clock]) -> float:
    """Seconds of all updates together, on the machine of the run, without prediction."""
    return float(sum(each.learn_seconds for each in clock))


@metric(direction="lower", range=(0, float("inf")), unit="bytes")
def peak_memory_bytes(clock: Sequence[Clock]) -> float:
    """Most memory in use during any update, on the device of the run."""
    return float(max(each.peak_memory_bytes for each in clock))


@metric(direction="lower", range=(0, float("inf")), unit="count")
def samples_seen(cost: Sequence[Cost]) -> float:
    """Samples handed out in loops over all updates, each as often as it was, stored ones too."""
    return float(sum(each.samples_seen for each in cost))


@metric(direction="lower", range=(0, float("inf")), unit="ratio")
def passes(cost: Sequence[Cost], update_sizes: npt.NDArray[np.integer]) -> float:
    """Samples handed out for each sample of an update: epochs, and whatever else looks at them."""
    if not update_sizes.sum():
        raise NotMeasured("the updates have no samples")
    return samples_seen(cost) / float(update_sizes.sum())


@metric(direction="lower", range=(0, float("inf")), unit="count")
def samples_skipped(cost: Sequence[Cost]) -> float:
    """Samples that the first pass of training had yet to reach when a budget ended it."""
    skipped = [each.samples_skipped for each in cost if each.samples_skipped is not None]
    if not skipped:
        raise NotMeasured("the protocol sets no budget of FLOPs or seconds")
    return float(sum(skipped))
