"""Programs that pass K networks at once: torch's vmap, and one operation a layer for all."""

import copy
from collections.abc import Callable
from functools import partial
from typing import Literal, Protocol

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F

from clbench.ensemble.byhand import ByHand, layers_of
from clbench.ensemble.stack import ByAutograd, Forward, Stack, Weights
from clbench.errors import ClbenchError
from clbench.model.network import Network
from clbench.model.training import Training

Program = Literal["vmap", "grouped", "bmm"]
Layer = Callable[[Weights, Tensor], Tensor]


class Stepper(Protocol):
    """Takes the steps of a stack."""

    def step(self, x: Tensor, y: Tensor, weight: Tensor) -> None:
        """A step of each network (see `ByAutograd.step`)."""


def possible(network: Network) -> list[Program]:
    """The programs that can train networks like this one, as a rule the fastest first."""
    if layers_of(network) is not None:
        return ["bmm", "vmap"]
    return ["grouped", "vmap"] if grouped(network) is not None else ["vmap"]


def stepper(program: Program, network: Network, stack: Stack, training: Training) -> Stepper:
    """What takes the steps of a stack of networks like this one, by a program.

    Raises:
        ClbenchError: the program does not know one of the layers.
    """
    layers = layers_of(network) if program == "bmm" else None
    if layers is not None:
        return ByHand(stack, layers, training)
    forward = {"vmap": vmapped, "grouped": grouped}[program](network) if program != "bmm" else None
    if forward is None:
        raise ClbenchError(
            f"the program {program} does not know a layer of this backbone; bmm is for linear "
            "layers and ReLU, grouped for convolutions, group norms and pooling, too: use vmap"
        )
    return ByAutograd(stack, forward)


def vmapped(network: Network) -> Forward:
    """`torch.func.vmap` over the network itself, whatever it is made of."""
    body = copy.deepcopy(network)

    def one(weights: Weights, x: Tensor) -> Tensor:
        return functional_call(body, dict(weights), (x,))  # type: ignore[no-any-return]

    passed: Forward = vmap(one)
    return passed


def grouped(network: Network) -> Forward | None:
    """Batched matrix products, and convolutions and norms in groups; None for other layers.

    Images go through as [B, K C, H, W], vectors as [K, B, d].
    """
    backbone = network.backbone
    layers = _layers(backbone.body, "backbone.body.")
    if layers is None:
        return None
    head = partial(_linear, "head.")
    mean, std = backbone.mean, backbone.std

    def forward(weights: Weights, x: Tensor) -> Tensor:
        if mean is not None and std is not None:
            x = (x - mean) / std
        x = x.transpose(0, 1).flatten(1, 2) if x.ndim == 5 else x
        with torch.autocast(x.device.type, torch.bfloat16, network.space.precision == "bfloat16"):
            for layer in layers:
                x = layer(weights, x)
            return head(weights, x).float()

    return forward


def independent(network: Network, x: Tensor) -> bool:
    """Whether a network in training takes samples `x` [B, ...] one by one, and leaves no trace.

    Batch norm does not, nor does dropout: such networks are trained one after the other.
    """
    if network.state_dict().keys() != dict(network.named_parameters()).keys():
        return False  # statistics, which a pass changes
    with torch.no_grad(), torch.random.fork_rng(devices=[]):
        try:
            alone = torch.cat([network(each[None]) for each in x])
        except ValueError:  # batch norm refuses a single vector
            return False
        return bool(torch.allclose(network(x), alone, rtol=1e-3, atol=1e-4))


def _layers(body: nn.Module, prefix: str) -> list[Layer] | None:
    """One function a layer of a sequence, if all are known."""
    parts = body.named_children() if isinstance(body, nn.Sequential) else [("", body)]
    found = [_layer(part, f"{prefix}{name}." if name else prefix) for name, part in parts]
    return None if None in found else [each for each in found if each]


def _layer(layer: nn.Module, name: str) -> Layer | None:
    if isinstance(layer, nn.Linear) and layer.bias is not None:
        return partial(_linear, name)
    if isinstance(layer, nn.Conv2d) and layer.groups == 1 and layer.padding_mode == "zeros":
        return partial(_conv, layer, name)
    if isinstance(layer, nn.GroupNorm) and layer.affine:
        return partial(_norm, layer, name)
    if isinstance(layer, nn.Flatten):
        return _flatten
    if isinstance(
        layer, nn.ReLU | nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.Identity
    ):
        return lambda weights, x: layer(x)  # channel by channel, or element by element
    return None


def _linear(name: str, weights: Weights, x: Tensor) -> Tensor:
    bias, weight = weights[f"{name}bias"], weights[f"{name}weight"]
    return torch.baddbmm(bias[:, None], x, weight.transpose(1, 2))


def _conv(layer: nn.Conv2d, name: str, weights: Weights, x: Tensor) -> Tensor:
    weight, bias = weights[f"{name}weight"], weights.get(f"{name}bias")
    passed: Tensor = F.conv2d(
        x,
        weight.flatten(0, 1),
        None if bias is None else bias.flatten(),
        layer.stride,
        layer.padding,
        layer.dilation,
        groups=len(weight),
    )
    return passed


def _norm(layer: nn.GroupNorm, name: str, weights: Weights, x: Tensor) -> Tensor:
    weight, bias = weights[f"{name}weight"], weights[f"{name}bias"]
    groups = len(weight) * layer.num_groups
    return F.group_norm(x.float(), groups, weight.flatten(), bias.flatten(), layer.eps)


def _flatten(weights: Weights, x: Tensor) -> Tensor:
    """[B, K C, H, W] or, where the network begins so, images of a vector network, to [K, B, d]."""
    if x.ndim == 3:
        return x
    count = len(next(iter(weights.values())))
    vectors: Tensor = x.unflatten(1, (count, -1)).transpose(0, 1).flatten(2)
    return vectors
