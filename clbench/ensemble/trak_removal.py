"""Removal by TRAK: a direction of the parameters along which what is forgotten goes."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from clbench.ensemble.gradients import Gradients, Projection
from clbench.ensemble.trak import damped, margin_features, solved
from clbench.model.network import Network
from clbench.view import View


class TrakRemoval:
    """TRAK: logits move along a direction of the parameters, found from projected gradients.

    The direction is P (Phi' R Phi + l I)^-1 P' sum of (1 - p) times the margin's gradient, over
    what is forgotten; logits lose what a step along it gives them to first order. For the size of
    the step to be right, the weights R = p (1 - p) are kept (see `trak_scores`). Kernels of several
    learning updates add up, each at the weights of its time.
    """

    def __init__(self, network: Network, dimensions: int, damping: float) -> None:
        self._dimensions, self._damping = dimensions, damping
        self._device = network.space.device
        self.kernel = torch.zeros(0, 0, dtype=torch.float64, device=self._device)
        self.direction = torch.zeros(0, device=self._device)

    def learn(self, network: Network, view: View) -> None:
        """Add the update's gradients to the kernel; a new network has lost nothing yet."""
        gradients, projection = self._tools(network)
        if len(self.kernel) != projection.dimensions:
            self.kernel = torch.zeros(projection.dimensions, projection.dimensions).to(self.kernel)
        for phi, doubt in self._features(gradients, projection, view):
            self.kernel.addmm_(phi.T, (doubt * (1 - doubt))[:, None] * phi)
        self.direction = torch.zeros(projection.size, device=self._device)

    def forget(self, network: Network, view: View) -> None:
        """Add the direction of what is forgotten."""
        gradients, projection = self._tools(network)
        pull = torch.zeros(projection.dimensions).to(self.kernel)
        for phi, doubt in self._features(gradients, projection, view):
            pull += doubt @ phi
        found = solved(damped(self.kernel, self._damping), pull[:, None])[:, 0]
        self.direction = self.direction + projection.up(found).to(self.direction)

    def effect(self, network: Network, x: Tensor) -> Tensor:
        """The derivative of logits [B, C] along the direction."""
        return Gradients(network).along(x, self.direction)

    def state_dict(self) -> dict[str, Any]:
        """The kernel and the direction."""
        return {"kernel": self.kernel, "direction": self.direction}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over both."""
        self.kernel, self.direction = state["kernel"], state["direction"]

    def _tools(self, network: Network) -> tuple[Gradients, Projection]:
        gradients = Gradients(network)
        return gradients, Projection(gradients.sizes, self._dimensions, seed=0)

    def _features(
        self, gradients: Gradients, projection: Projection, view: View
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Phi [b, dimensions] and 1 - p [b] of the update's samples."""
        for batch in view.chunks():
            phi, margins = margin_features(gradients, projection, batch.x, batch.y)
            yield phi, margins.neg().sigmoid()
