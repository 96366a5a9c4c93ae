"""How a method trains: optimiser and batches, the same for every method that trains."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from clbench.augment import Augmentation


class Training(BaseModel):
    """Optimiser and batch settings; shared so that methods differ in their idea alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    optimiser: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = Field(0.1, gt=0, description="learning rate")
    momentum: float = Field(0.0, ge=0, lt=1, description="of SGD")
    weight_decay: float = Field(0.0, ge=0)
    batch_size: int = Field(32, ge=1)
    epochs: int = Field(10, ge=1, description="passes over an update, unless the protocol fixes it")
    augment: Augmentation = "none"

    def start(
        self, model: nn.Module, *, steps: int = 0, rates: Mapping[str, float] | None = None
    ) -> Callable[[Tensor], None]:
        """A fresh optimiser; the result takes one step down a loss.

        With `steps`, the learning rate falls along a half cosine and would be 0 after so many.
        `rates` are factors on it for parameters whose names start so (`{"backbone": 0.01}`).
        """
        groups = _groups(model, rates or {}, self.lr)
        parameters = [each for group in groups for each in group["params"]]
        optimiser = self._optimiser(groups)
        schedule = LambdaLR(optimiser, partial(_half_cosine, steps)) if steps else None

        def step(loss: Tensor) -> None:
            for parameter in parameters:  # what zero_grad does, at a tenth of its price
                parameter.grad = None
            loss.backward()
            optimiser.step()
            if schedule:
                schedule.step()

        return step

    def optimiser_of(self, model: nn.Module) -> torch.optim.Optimizer:
        """An optimiser over all that the model trains, for a loop that is not ours.

        It is not fused: other loops take state from some parameters alone, which fused ones refuse.
        """
        return self._optimiser(_groups(model, {}, self.lr), fused=False)

    def optimiser_over(self, parameters: Iterable[Tensor]) -> torch.optim.Optimizer:
        """The optimiser of `start` over tensors that are no module's."""
        return self._optimiser([{"params": list(parameters), "lr": self.lr}])

    def _optimiser(
        self, groups: list[dict[str, Any]], *, fused: bool = True
    ) -> torch.optim.Optimizer:
        decay, lr = self.weight_decay, self.lr
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                groups, lr=lr, momentum=self.momentum, weight_decay=decay, fused=fused
            )
        kind = torch.optim.Adam if self.optimiser == "adam" else torch.optim.AdamW
        return kind(groups, lr=lr, weight_decay=decay, fused=fused)


def _half_cosine(steps: int, i: int) -> float:
    return (1 + math.cos(math.pi * i / steps)) / 2


def _groups(model: nn.Module, rates: Mapping[str, float], lr: float) -> list[dict[str, Any]]:
    """The parameters that are trained, in a group a rate; those without a rate come first."""
    groups: dict[float, list[nn.Parameter]] = {1.0: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            rate = next((r for prefix, r in rates.items() if name.startswith(prefix)), 1.0)
            groups.setdefault(rate, []).append(parameter)
    return [{"params": some, "lr": rate * lr} for rate, some in groups.items() if some]
