"""Metrics: pure functions of what was recorded; numpy in, numbers out."""

from clbench.metric.base import Metric, NotMeasured, metric
from clbench.metric.group import GroupMetric, group_metric

__all__ = ["GroupMetric", "Metric", "NotMeasured", "group_metric", "metric"]
