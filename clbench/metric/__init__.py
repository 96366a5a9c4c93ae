"""Metrics: pure functions of what was recorded; numpy in, numbers out."""

from clbench.metric.base import Metric, NotMeasured, metric

__all__ = ["Metric", "NotMeasured", "metric"]
