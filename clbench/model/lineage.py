"""A network that is replaced by newer ones."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from clbench.model.backbone import build_backbone
from clbench.model.network import Network, Space
from clbench.spec import parse_spec


class Lineage(Network):
    """The newest of a line of networks; which one it is belongs to its state.

    `backbones` are those of the networks that replace the first, in turn, between semicolons; the
    last of them stays, and without any all are as the first.

    Attributes:
        widths: how many features each backbone has.
        generation: [] how often it was replaced.

    Raises:
        ClbenchError: a backbone is unknown, or cannot take the samples: at once, for all of them.
    """

    generation: Tensor

    def __init__(self, backbone: str, backbones: str, space: Space) -> None:
        super().__init__(backbone, space)
        self.backbones = (backbone, *(each.strip() for each in backbones.split(";") if backbones))
        others = [build_backbone(parse_spec(spec), space.shape) for spec in self.backbones[1:]]
        self.widths = (self.backbone.num_features, *(each.num_features for each in others))
        self.register_buffer("generation", torch.tensor(0, device=space.device))

    def renew(self) -> Network:
        """Become the next network, freshly drawn, its head empty; what it was comes back frozen.

        Draws from torch's global generator, which the runner seeds for every update: each network
        of a line starts from weights of its own.
        """
        old = self.frozen_copy()
        self._become(int(self.generation) + 1)
        return old

    def sibling(self) -> Network:
        """Another network with the backbone of the newest, freshly drawn, its head as wide."""
        other = self._drawn(int(self.generation))
        other.grow(self.n_classes)
        return other

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights into the network that they are of."""
        if (generation := int(state_dict["generation"])) != int(self.generation):
            self._become(generation)
        return super().load_state_dict(state_dict, *args, **kwargs)

    def _become(self, generation: int) -> None:
        fresh = self._drawn(generation)
        self.backbone, self.head = fresh.backbone, fresh.head
        self.generation.fill_(generation)

    def _drawn(self, generation: int) -> Network:
        return Network(self.backbones[min(generation, len(self.backbones) - 1)], self.space)
