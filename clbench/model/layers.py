"""The last layers of a network: trained alone, or started anew."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import chain

import torch
from torch import nn

from clbench.errors import ClbenchError
from clbench.model.modes import modes_kept
from clbench.model.network import Network


def layers(network: nn.Module) -> list[list[nn.Module]]:
    """The layers of a network, first to last, each as the modules that belong to it.

    A layer begins with a weight of two or more axes (linear, convolution, attention); what follows
    it, such as a normalisation, belongs to it, and what comes before the first, to the first.
    Modules count in the order in which they are registered, which is that of a pass in our networks
    and in timm's. What a block owns beside its layers belongs to the layer before it.
    """
    found: list[list[nn.Module]] = [[]]
    begun = False
    for module in network.modules():
        if _weighs(module):
            found += [[]] if begun else []
            begun = True
        found[-1].append(module)
    return found


def check_last(network: Network, k: int, who: str) -> None:
    """Refuse more layers than there are.

    Raises:
        ClbenchError: k is larger than the number of layers.
    """
    if k > (count := len(layers(network))):
        raise ClbenchError(f"{who} has k={k}, and its network {count} layers; choose 1 to {count}")


@contextmanager
def last_alone(network: nn.Module, k: int) -> Iterator[None]:
    """All but the last k layers are frozen: their weights, and in eval mode their statistics."""
    parameters = list(network.parameters())
    trained = [parameter.requires_grad for parameter in parameters]
    with modes_kept(network):
        for module in (each for layer in layers(network)[:-k] for each in layer):
            module.training = False
            for parameter in module.parameters(recurse=False):
                parameter.requires_grad_(False)
        try:
            yield
        finally:
            for parameter, before in zip(parameters, trained, strict=True):
                parameter.requires_grad_(before)


@torch.no_grad()
def renew_last(network: nn.Module, start: nn.Module, k: int) -> None:
    """Set weights and statistics of the last k layers to those of a network of the same shape."""
    here, there = (chain(*layers(each)[-k:]) for each in (network, start))
    for one, two in zip(here, there, strict=True):
        ours, theirs = _own(one), _own(two)
        for name, tensor in ours.items():
            tensor.copy_(theirs[name])


def _weighs(module: nn.Module) -> bool:
    named = dict(module.named_parameters(recurse=False))
    found = (named.get("weight"), named.get("in_proj_weight"))
    return any(weight is not None and weight.ndim > 1 for weight in found)


def _own(module: nn.Module) -> dict[str, torch.Tensor]:
    """Parameters and buffers of a module, without those of its parts."""
    return dict(module.named_parameters(recurse=False)) | dict(module.named_buffers(recurse=False))
