"""How a method trains: optimiser and batches, the same for every method that trains."""

from collections.abc import Callable
from typing import Literal

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

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

    def start(self, model: nn.Module) -> Callable[[Tensor], None]:
        """A fresh optimiser; the result takes one step down a loss."""
        parameters = [p for p in model.parameters() if p.requires_grad]
        optimiser = self._optimiser(parameters)

        def step(loss: Tensor) -> None:
            optimiser.zero_grad(set_to_none=True)
            loss.backward()
            optimiser.step()

        return step

    def _optimiser(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        decay, lr = self.weight_decay, self.lr
        if self.optimiser == "sgd":
            return torch.optim.SGD(
                parameters, lr=lr, momentum=self.momentum, weight_decay=decay, fused=True
            )
        kind = torch.optim.Adam if self.optimiser == "adam" else torch.optim.AdamW
        return kind(parameters, lr=lr, weight_decay=decay, fused=True)
