"""K networks of one architecture as one: parameters [K, ...] under one optimiser."""

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.model.training import Training

Weights = Mapping[str, Tensor]  # [K, ...] each
Forward = Callable[[Weights, Tensor], Tensor]  # inputs [K, B, ...] -> logits [K, B, C]


class Stack:
    """Networks that take their steps together; the last ones may stop before the others.

    Optimisers work element by element, so that K of them over K networks are one over the stack.

    Attributes:
        whole: the weights of all networks [K, ...].
        trained: those that still train, as parameters that share the memory.
    """

    def __init__(self, networks: Sequence[nn.Module], training: Training) -> None:
        states = [dict(network.named_parameters()) for network in networks]
        self.whole = {
            name: torch.stack([state[name].detach().contiguous() for state in states])
            for name in states[0]
        }
        self.trained = {name: nn.Parameter(whole) for name, whole in self.whole.items()}
        self.optimiser = training.optimiser_over(self.trained.values())

    def keep(self, count: int) -> None:
        """Train the first `count` alone from now on; the weights of the others stay as they are."""
        for name, parameter in self.trained.items():
            parameter.grad = None
            parameter.data = self.whole[name][:count]  # a view: steps write into the whole
            moments = self.optimiser.state.get(parameter, {})
            for key, value in moments.items():
                if isinstance(value, Tensor) and value.ndim:
                    moments[key] = value[:count]


class ByAutograd:
    """Steps of a stack through a forward pass over all of it."""

    def __init__(self, stack: Stack, forward: Forward) -> None:
        self._stack, self._forward = stack, forward

    def step(self, x: Tensor, y: Tensor, weight: Tensor) -> None:
        """A step of each network down its mean cross-entropy.

        Args:
            x: inputs [K, B, ...].
            y: labels [K, B].
            weight: [K, B], one over the size of a network's batch, and 0 for padding.
        """
        for parameter in self._stack.trained.values():
            parameter.grad = None
        logits = self._forward(self._stack.trained, x)
        losses = cross_entropy(logits.flatten(0, 1), y.flatten(), reduction="none")
        torch.dot(losses, weight.flatten()).backward()
        self._stack.optimiser.step()
