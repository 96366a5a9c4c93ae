"""One metric on one run: a score, or the reason why there is none."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any, TypeVar

from clbench import plugin
from clbench.errors import ClbenchError, unknown
from clbench.evidence import Evidence
from clbench.metric import Metric, NotMeasured
from clbench.metric.group import GroupMetric

ROUNDING = 1e-9
Declared = TypeVar("Declared", bound=Metric)


@dataclass(frozen=True)
class Score:
    """A metric's value for a run, or why it has none."""

    value: float | None
    why: str = ""


def load_metrics(
    names: Sequence[str] | None = None, *, costly: bool = True
) -> tuple[dict[str, Metric], tuple[str, ...]]:
    """Metrics of single runs by id, and what is wrong with the registered ones that do not load.

    A metric that was named must load; without names, all that are registered and do, `costly` ones
    only if these are wanted. Named metrics of many models are left to `load_group_metrics`.
    """
    declared, broken = _loaded("metrics", names, Metric)
    if names is None and not costly:
        declared = {name: metric for name, metric in declared.items() if not metric.costly}
    return declared, broken


def load_group_metrics(
    names: Sequence[str] | None = None,
) -> tuple[dict[str, GroupMetric], tuple[str, ...]]:
    """Metrics of many models by id, as `load_metrics` does for those of single runs."""
    return _loaded("group_metrics", names, GroupMetric)


def _loaded(
    group: plugin.Group, names: Sequence[str] | None, kind: type[Declared]
) -> tuple[dict[str, Declared], tuple[str, ...]]:
    declared: dict[str, Declared] = {}
    broken = []
    for name in plugin.entries(group) if names is None else names:
        try:
            metric = _load(name)
        except ClbenchError as error:
            if names is not None:
                raise
            broken.append(str(error))
            continue
        if not isinstance(metric, Metric):
            raise ClbenchError(
                f"{name} is a {type(metric).__name__}; decorate it with @metric(...)"
            )
        if type(metric) is not kind:
            continue
        if declared.setdefault(metric.id, metric) is not metric:
            raise ClbenchError(f"two metrics have the id {metric.id!r}; rename that of {name}")
    return declared, tuple(broken)


def _load(name: str) -> object:
    """The metric of a name, of single runs or of many models."""
    of_many, of_runs = plugin.entries("group_metrics"), plugin.entries("metrics")
    if ".py:" not in name and name not in {*of_many, *of_runs}:
        raise unknown("metric", name, [*of_runs, *of_many])
    return plugin.load("group_metrics" if name in of_many else "metrics", name)


def measure(metric: Metric, evidence: Evidence) -> Score:
    """A metric's score on the evidence of one run.

    Raises:
        ClbenchError: the metric fails, or its value is not a finite number in its range.
    """
    try:
        return Score(value_of(metric, evidence.of, evidence.path))
    except NotMeasured as reason:
        return Score(None, str(reason))


def value_of(metric: Metric, of: Callable[[str], Any], where: object) -> float:
    """A metric's value, on what `of` has under the names that it asks for.

    Raises:
        NotMeasured: it has none here.
        ClbenchError: it fails on `where`, or its value is not a finite number in its range.
    """
    try:
        value = float(metric(*map(of, metric.needs)))
    except (NotMeasured, ClbenchError):
        raise
    except Exception as error:
        raise ClbenchError(
            f"metric {metric.name} fails on {where}: {type(error).__name__}: {error}"
        ) from error
    low, high = metric.range
    if not (isfinite(value) and low - ROUNDING <= value <= high + ROUNDING):
        raise ClbenchError(
            f"metric {metric.name} is {value} for {where}; it must be in [{low}, {high}], "
            "or NotMeasured where it has no value"
        )
    return value
