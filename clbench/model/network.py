"""A backbone with a head that grows with the classes."""

import copy
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor, nn

from clbench.model.backbone import build_backbone
from clbench.model.modes import modes_kept
from clbench.settings import Precision
from clbench.spec import parse_spec


@dataclass(frozen=True)
class Space:
    """Where a method lives: the shape of one sample, the device, the precision of its passes."""

    shape: tuple[int, ...]
    device: torch.device
    precision: Precision = "float32"


class Network(nn.Module):
    """Backbone and linear head; `state_dict` carries the head's width, so a load grows it.

    With precision bfloat16 the passes run under autocast; weights and outputs stay float32.
    """

    def __init__(self, backbone: str, space: Space) -> None:
        super().__init__()
        self.space = space
        self.backbone = build_backbone(parse_spec(backbone), space.shape)
        self.head = _empty_head(self.backbone.num_features)
        self.to(space.device)
        if len(space.shape) == 3:  # convolutions run faster on this layout; linear layers ignore it
            self.to(memory_format=torch.channels_last)

    @property
    def n_classes(self) -> int:
        """How many classes the head knows."""
        return self.head.out_features

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, n_classes] of inputs [B, ...]."""
        with self._autocast():
            return self.head(self.backbone(x)).float()  # type: ignore[no-any-return]

    def embed(self, x: Tensor) -> Tensor:
        """What the head sees: features [B, d] of inputs [B, ...]."""
        with self._autocast():
            return self.backbone(x).float()  # type: ignore[no-any-return]

    def _autocast(self) -> AbstractContextManager[object]:
        if self.space.precision == "float32":
            return nullcontext()
        return torch.autocast(self.space.device.type, torch.bfloat16)

    def grow(self, n_classes: int) -> None:
        """Widen the head; the known rows stay as they are, the new ones are freshly drawn."""
        self.head = widened(self.head, n_classes)

    def frozen_copy(self) -> "Network":
        """A teacher: the network as it is now, in eval mode, without gradients."""
        return copy.deepcopy(self).eval().requires_grad_(False)

    def load_state_dict(self, state_dict: Mapping[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Load weights, growing the head to theirs first."""
        self.grow(state_dict["head.weight"].shape[0])
        return super().load_state_dict(state_dict, *args, **kwargs)


def widened(head: nn.Linear, n_classes: int) -> nn.Linear:
    """A head for more classes, its known rows as they were; itself where it is as wide already."""
    known = head.out_features
    if n_classes <= known:
        return head
    wider = nn.Linear(head.in_features, n_classes).to(head.weight)
    with torch.no_grad():
        wider.weight[:known] = head.weight
        wider.bias[:known] = head.bias
    return wider


def _empty_head(features: int) -> nn.Linear:
    head = nn.Linear(features, 1)  # torch warns when it is to draw a head without rows
    head.weight, head.bias = nn.Parameter(head.weight[:0]), nn.Parameter(head.bias[:0])
    head.out_features = 0
    return head


@contextmanager
def full_precision(module: nn.Module) -> Iterator[None]:
    """Passes in float32, whatever the run's precision, of every network in a module."""
    networks = [part for part in module.modules() if isinstance(part, Network)]
    spaces = [network.space for network in networks]
    for network in networks:
        network.space = replace(network.space, precision="float32")
    try:
        yield
    finally:
        for network, space in zip(networks, spaces, strict=True):
            network.space = space


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Eval mode without gradients, with every submodule's mode put back after."""
    with modes_kept(module), torch.no_grad():
        module.eval()
        yield
