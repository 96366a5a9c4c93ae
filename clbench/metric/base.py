"""What a metric declares about itself.

A metric is a function of arrays. The names of its parameters say what it needs; the scorer
passes the evidence of that name (see `clbench.evidence`). A need that is not met, or a value
that is not defined, is `NotMeasured` with a reason, never NaN and never 0.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

Direction = Literal["higher", "lower", "neither"]
Unit = Literal["fraction", "nats", "p-value", "ratio", "count", "flops", "seconds", "bytes"]


class NotMeasured(Exception):  # noqa: N818 - an outcome, not a fault
    """Why a metric has no value here."""


@dataclass(frozen=True)
class Metric:
    """A metric function with its declaration.

    `range` holds every value that it can take; `paper` is where it is defined (empty: here);
    `unit` is how its value is shown. `costly`: it takes longer than reading answers does, so it is
    worked out where it is named, or where all are asked for.
    """

    function: Callable[..., float]
    id: str
    version: int
    direction: Direction
    range: tuple[float, float]
    paper: str
    unit: Unit
    costly: bool = False

    @property
    def name(self) -> str:
        """`id@version`, by which a score is recorded."""
        return f"{self.id}@{self.version}"

    @cached_property
    def needs(self) -> tuple[str, ...]:
        """Names of the evidence that the function takes."""
        return tuple(inspect.signature(self.function).parameters)

    @property
    def definition(self) -> str:
        """The first paragraph of the docstring, in one line."""
        paragraph = inspect.cleandoc(self.function.__doc__ or "").split("\n\n")[0]
        return " ".join(paragraph.split())

    def __call__(self, *args: object, **kwargs: object) -> float:
        """The value for this evidence, or NotMeasured."""
        return self.function(*args, **kwargs)


def metric(
    *,
    version: int = 1,
    direction: Direction,
    range: tuple[float, float],
    paper: str = "",
    unit: Unit = "fraction",
    costly: bool = False,
) -> Callable[[Callable[..., float]], Metric]:
    """Declare a function as a metric; its name becomes the id."""

    def declare(function: Callable[..., float]) -> Metric:
        name = function.__name__
        return Metric(function, name, version, direction, range, paper, unit, costly)

    return declare
