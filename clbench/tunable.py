"""What a method says of its hyperparameters that may be searched: between what, and on which scale.

Ranges hold the values that the method's paper tries or that public projects found to matter; they
say where to look, not what is allowed, which is said by the bounds of the field.
"""

import math
from dataclasses import dataclass, replace

from clbench.errors import ClbenchError
from clbench.spec import Value


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included; whole ones where the hyperparameter is whole.

    `name` is the hyperparameter's, `training.lr` in a group. With `log` each factor counts the
    same: for what is searched over orders of magnitude.

    Raises:
        ClbenchError: nothing lies between the ends, or a logarithmic range reaches 0.
    """

    name: str
    low: float
    high: float
    log: bool = False

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and self.low < self.high < math.inf):
            raise ClbenchError(
                f"{self.name} is tuned from {self.low} to {self.high}; need low<high"
            )
        if self.log and self.low <= 0:
            raise ClbenchError(f"{self.name} is tuned from {self.low} with log=True; need low > 0")

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}" + ", log" * self.log

    def holds(self, value: object) -> bool:
        """Whether a value is one of these."""
        return isinstance(value, int | float) and self.low <= value <= self.high

    def including(self, value: object) -> "Range":
        """The range, widened so that it holds a number."""
        if not isinstance(value, int | float) or (self.log and value <= 0):
            return self
        return replace(self, low=min(self.low, value), high=max(self.high, value))


@dataclass(frozen=True)
class Choice:
    """Some values without an order, for the hyperparameter `name`.

    Raises:
        ClbenchError: fewer than two.
    """

    name: str
    options: tuple[Value, ...]

    def __post_init__(self) -> None:
        if len(self.options) < 2:
            raise ClbenchError(f"{self.name} is tuned among {self.options}; need two or more")

    def __str__(self) -> str:
        return " or ".join(map(str, self.options))

    def holds(self, value: object) -> bool:
        """Whether a value is one of these."""
        return value in self.options

    def including(self, value: object) -> "Choice":
        """The choice, with one more option if it is new."""
        if self.holds(value) or not isinstance(value, str | int | float):
            return self
        return replace(self, options=(*self.options, value))


Tunable = Range | Choice
LEARNING_RATE = Range("training.lr", 1e-4, 1, log=True)
