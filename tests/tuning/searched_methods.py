"""Methods whose best hyperparameters are known."""

from typing import Literal

import torch
from torch import Tensor

from clbench.errors import ClbenchError
from clbench.method import Card, Choice, Field, Range, Space
from clbench_methods.nmc import NMC

BEST = 0.3


class Peaked(NMC):
    """Answers wrongly on a share |x - 0.3| of the inputs, so 0.3 is best."""

    card = Card(name="peaked", paper="none", family="test")
    tunes = (Range("x", 0, 1),)
    x: float = Field(0.9, ge=0, le=1)

    def predict(self, inputs: Tensor) -> Tensor:
        logits = super().predict(inputs)
        place = inputs.flatten(1).double().sum(1) * 1e3 % 1  # as good as uniform in [0, 1)
        wrong = place < abs(self.x - BEST)
        return torch.where(wrong[:, None], -logits, logits)


class Mixed(NMC):
    """A number, a whole number and a choice, which change nothing."""

    card = Card(name="mixed", paper="none", family="test")
    tunes = (
        Range("rate", 1e-3, 10, log=True),
        Range("count", 1, 100, log=True),
        Choice("form", ("plain", "other")),
    )
    rate: float = Field(1.0, gt=0)
    count: int = Field(10, ge=1)
    form: Literal["plain", "other"] = "plain"


class Diverges(Peaked):
    """Cannot be trained above 0.5, where it starts."""

    card = Card(name="diverges", paper="none", family="test")

    def predict(self, inputs: Tensor) -> Tensor:
        if self.x > 0.5:
            raise ClbenchError("training diverged")
        return super().predict(inputs)


class Picky(Peaked):
    """Cannot be built above 0.6."""

    card = Card(name="picky", paper="none", family="test")
    x: float = Field(0.5, ge=0, le=1)

    def build(self, space: Space) -> None:
        super().build(space)
        if self.x > 0.6:
            raise ClbenchError(f"x is {self.x}; 0.6 at most")


class Hopeless(Diverges):
    """Always above."""

    card = Card(name="hopeless", paper="none", family="test")
    tunes = (Range("x", 0.6, 1),)


class Misspelt(NMC):
    card = Card(name="misspelt", paper="none", family="test")
    tunes = (Range("ratio", 0.1, 1),)
    rate: float = 0.5


class Twice(NMC):
    card = Card(name="twice", paper="none", family="test")
    tunes = (Range("rate", 0.1, 1), Range("rate", 1, 2))
    rate: float = 0.5


class TooFar(NMC):
    card = Card(name="too_far", paper="none", family="test")
    tunes = (Range("rate", 0.1, 3),)
    rate: float = Field(0.5, le=1)
