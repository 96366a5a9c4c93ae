"""Matching of logits: a network is moved until it answers as wanted (2410.23232)."""

from collections.abc import Callable

import torch
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor
from torch.nn.functional import mse_loss
from torch.optim.lr_scheduler import ExponentialLR

from clbench.augment import to_input
from clbench.model.network import Network
from clbench.model.training import Training
from clbench.view import View

AT_A_TIME = 512  # inputs whose wanted logits are found together


class Matching(BaseModel):
    """Adam on the squared error to wanted logits, on what is to be forgotten and some to retain."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    lr: float = Field(5e-4, gt=0, description="learning rate at the start")
    decay: float = Field(0.95, gt=0, le=1, description="of the learning rate, an epoch")
    epochs: int = Field(5, ge=1)
    batch_size: int = Field(512, ge=1)
    forget_multiplier: int = Field(1, ge=1, description="times that each forgotten sample comes")
    retain_multiplier: float = Field(3, ge=0, description="retained samples for each forgotten one")

    def fit(self, network: Network, view: View, wanted: Callable[[Tensor], Tensor]) -> None:
        """Move a network towards the logits `wanted` (inputs [B, ...] -> [B, C]), found once.

        The subset of retained data is drawn once. Inputs are not augmented, and the network is in
        train mode, as in the authors' code.

        Raises:
            ClbenchError: no retained data are granted.
        """
        raw = torch.cat([*self._forgotten(view), *self._retained(view)])
        targets = torch.cat([wanted(to_input(some)) for some in raw.split(AT_A_TIME)])
        batches = Training(batch_size=self.batch_size)
        optimiser = Training(optimiser="adam", lr=self.lr).optimiser_of(network)
        schedule = ExponentialLR(optimiser, self.decay)
        network.train()
        seen = 0
        for x, target in view.rehearse(raw, targets, batches, self.epochs):
            optimiser.zero_grad()
            mse_loss(network(x), target).backward()
            optimiser.step()
            seen += len(x)
            if seen % len(raw) == 0:
                schedule.step()

    def _forgotten(self, view: View) -> list[Tensor]:
        return [batch.raw for batch in view.chunks()] * self.forget_multiplier

    def _retained(self, view: View) -> list[Tensor]:
        """A random subset of the retained data, in as many parts as they come in."""
        count = round(self.retain_multiplier * len(view))
        return [batch.raw for batch in view.retained_chunks(AT_A_TIME, at_most=count)]
