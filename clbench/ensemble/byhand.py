"""Linear heads and MLPs: backpropagation written out as batched matrix products.

Into memory that is kept: gradients of a stack are tens of megabytes, and memory that is asked for
anew at each step costs more than the arithmetic. Under SGD the product that gives a gradient adds
it to the weights, or to the momentum, at once.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from clbench.ensemble.stack import Stack
from clbench.model.network import Network
from clbench.model.training import Training


class Layer(NamedTuple):
    """Names of a linear layer's parameters, and whether ReLU follows."""

    weight: str
    bias: str
    relu: bool


def layers_of(network: Network) -> list[Layer] | None:
    """The linear layers of a network that flattens, then alternates them with ReLU; else None."""
    backbone = network.backbone
    if backbone.mean is not None or network.space.precision != "float32":
        return None
    body = backbone.body
    named = list(body.named_children()) if isinstance(body, nn.Sequential) else [("", body)]
    if not (named and isinstance(named.pop(0)[1], nn.Flatten)):
        return None
    linear, others = named[::2], named[1::2]
    right = all(isinstance(each, nn.Linear) and each.bias is not None for _, each in linear)
    if not right or len(linear) != len(others) or not all(type(o) is nn.ReLU for _, o in others):
        return None
    prefixes = [f"backbone.body.{name}." for name, _ in linear]
    hidden = [Layer(f"{each}weight", f"{each}bias", True) for each in prefixes]
    return [*hidden, Layer("head.weight", "head.bias", False)]


class ByHand:
    """Steps of a stack of such networks."""

    def __init__(self, stack: Stack, layers: Sequence[Layer], training: Training) -> None:
        self._stack, self._layers, self._training = stack, layers, training
        self._momenta: dict[str, Tensor] = {}
        if training.optimiser == "sgd" and training.momentum:
            self._momenta = {name: torch.zeros_like(w) for name, w in stack.whole.items()}
        self._memory: dict[tuple[str, int], Tensor] = {}

    @torch.no_grad()
    def step(self, x: Tensor, y: Tensor, weight: Tensor) -> None:
        """As `ByAutograd.step`."""
        passed = self._forward(x.flatten(2))
        gradient = passed.pop().softmax(-1)
        gradient.scatter_add_(2, y[..., None], gradient.new_full((*y.shape, 1), -1.0))
        gradient *= weight[..., None]
        for index in reversed(range(len(self._layers))):
            layer, below = self._layers[index], passed.pop()
            ahead = gradient
            if index:  # before the weights change
                back = self._trained(layer.weight)
                gradient = self._room("back", index, (*y.shape, back.shape[2]))
                torch.bmm(ahead, back, out=gradient)
                gradient.masked_fill_(below <= 0, 0)
            self._learn(layer, ahead, below)
        if self._training.optimiser != "sgd":
            self._stack.optimiser.step()

    def _forward(self, x: Tensor) -> list[Tensor]:
        """Inputs of each layer, and the logits."""
        passed = [x]
        for index, layer in enumerate(self._layers):
            weight, bias = self._trained(layer.weight), self._trained(layer.bias)
            out = self._room("out", index, (*x.shape[:2], weight.shape[1]))
            torch.baddbmm(bias[:, None], passed[-1], weight.mT, out=out)
            passed.append(out.relu_() if layer.relu else out)
        return passed

    def _learn(self, layer: Layer, gradient: Tensor, below: Tensor) -> None:
        """Take the step of a layer, or leave its gradients to the optimiser."""
        training, sums = self._training, gradient.sum(1)
        weight, bias = self._trained(layer.weight), self._trained(layer.bias)
        if training.optimiser != "sgd":
            grad = self._room("grad", self._layers.index(layer), tuple(weight.shape))
            torch.bmm(gradient.mT, below, out=grad)
            self._stack.trained[layer.weight].grad = grad
            self._stack.trained[layer.bias].grad = sums
            return
        lr, decay = training.lr, training.weight_decay
        if not training.momentum:
            weight.baddbmm_(gradient.mT, below, beta=1 - lr * decay, alpha=-lr)
            bias.mul_(1 - lr * decay).sub_(sums, alpha=lr)
            return
        momenta = [self._momenta[name][: len(weight)] for name in (layer.weight, layer.bias)]
        momenta[0].baddbmm_(gradient.mT, below, beta=training.momentum)
        momenta[1].mul_(training.momentum).add_(sums)
        for value, momentum in zip((weight, bias), momenta, strict=True):
            if decay:
                momentum.add_(value, alpha=decay)
            value.sub_(momentum, alpha=lr)

    def _trained(self, name: str) -> Tensor:
        return self._stack.trained[name].data

    def _room(self, use: str, index: int, shape: tuple[int, ...]) -> Tensor:
        """Memory for a result, the same at every step."""
        size, key = torch.Size(shape).numel(), (use, index)
        if key not in self._memory or len(self._memory[key]) < size:
            self._memory[key] = torch.empty(size, device=self._trained("head.bias").device)
        return self._memory[key][:size].view(shape)
