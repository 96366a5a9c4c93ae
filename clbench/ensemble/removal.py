"""What a network's logits would lose had some samples not been trained on, carried by methods.

A `Removal` looks at a network as it learns, is told what is to be forgotten, and predicts.
"""

from collections.abc import Mapping
from typing import Any, Protocol

from torch import Tensor

from clbench.model.network import Network, evaluating, full_precision
from clbench.view import View


class Removal(Protocol):
    """Attribution of a network's logits to what it learned, kept in sums over updates."""

    def learn(self, network: Network, view: View) -> None:
        """Take in an update that the network has just learned."""

    def forget(self, network: Network, view: View) -> None:
        """Add the samples of an update to those that are gone; the network still knows them."""

    def effect(self, network: Network, x: Tensor) -> Tensor:
        """What logits [B, C] of inputs lose, by prediction, with all that is gone."""

    def state_dict(self) -> dict[str, Any]:
        """What it carries."""

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what was carried."""


def network_logits(network: Network, x: Tensor) -> Tensor:
    """Logits [B, C] in float32, in eval mode and without gradients."""
    with evaluating(network), full_precision(network):
        logits: Tensor = network(x)
    return logits
