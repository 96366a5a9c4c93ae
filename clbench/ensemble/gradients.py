"""Gradients of a network's outputs, a sample by itself, and their projection."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, grad_and_value, jacrev, vjp, vmap

from clbench.model.importance import AT_A_TIME, AT_A_TIME_CPU
from clbench.model.network import evaluating, full_precision
from clbench.seeds import derive

Parameters = dict[str, Tensor]


class Projection:
    """A sparse Johnson-Lindenstrauss map: each parameter is added to one dimension, sign drawn.

    Inner products are kept in expectation, with the variance of a dense map where no single
    parameter dominates (0902.2206), at a cost that does not grow with the dimensions; the paper's
    is dense. Where there are as many dimensions as parameters, nothing is projected. Draws go by
    a parameter's name and its position in it, so rows that a head gains leave the others' as
    they are.
    """

    def __init__(self, sizes: dict[str, int], dimensions: int, seed: int) -> None:
        self.size = sum(sizes.values())
        self.dimensions = min(dimensions, self.size)
        self._exact = self.dimensions == self.size
        draws = [_draws(name, n, self.dimensions, seed) for name, n in sizes.items()]
        self._bucket, self._sign = (torch.cat(each) for each in zip(*draws, strict=True))

    def down(self, rows: Tensor) -> Tensor:
        """[B, size] -> [B, dimensions]."""
        if self._exact:
            return rows
        signed = rows * self._sign.to(rows)
        found = rows.new_zeros(self.dimensions, len(rows))
        return found.index_add_(0, self._bucket.to(rows.device), signed.T).T

    def up(self, vector: Tensor) -> Tensor:
        """The transpose, [dimensions] -> [size]."""
        if self._exact:
            return vector
        return vector[self._bucket.to(vector.device)] * self._sign.to(vector)


def _draws(name: str, size: int, dimensions: int, seed: int) -> tuple[Tensor, Tensor]:
    where, how = (np.random.default_rng(derive(seed, name, what)) for what in ("bucket", "sign"))
    sign = torch.from_numpy(how.integers(0, 2, size)).to(torch.int8) * 2 - 1
    return torch.from_numpy(where.integers(0, dimensions, size)), sign


class Gradients:
    """Derivatives of a network's outputs by all that it trains, end to end; a sample by itself."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        # Laid out plainly: torch cannot batch what its pooling does after channels-last weights.
        self._parameters = {
            name: p.detach().clone(memory_format=torch.contiguous_format)
            for name, p in model.named_parameters()
        }
        self._buffers = dict(model.named_buffers())
        self.sizes = {name: p.numel() for name, p in self._parameters.items()}
        on_cpu = all(p.device.type == "cpu" for p in self._parameters.values())
        held = AT_A_TIME_CPU if on_cpu else AT_A_TIME
        self._rows = max(1, held // max(1, sum(self.sizes.values())))

    def of(
        self, output: Callable[[Tensor, Tensor], Tensor], x: Tensor, y: Tensor
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Gradients [b, size] of output(logits [C], y) of some samples, and its values [b]."""

        def asked(parameters: Parameters, x: Tensor, y: Tensor) -> Tensor:
            return output(self._answer(parameters, x[None])[0], y)

        gradients = vmap(grad_and_value(asked), (None, 0, 0))
        with evaluating(self._model), full_precision(self._model):
            for some_x, some_y in zip(x.split(self._rows), y.split(self._rows), strict=True):
                found, values = gradients(self._parameters, some_x, some_y)
                yield torch.cat([g.flatten(1) for g in found.values()], dim=1), values

    def of_logits(self, x: Tensor) -> Iterator[Tensor]:
        """Gradients [b, C, size] of all logits of some samples, in order."""

        def asked(parameters: Parameters, x: Tensor) -> Tensor:
            return self._answer(parameters, x[None])[0]

        gradients = vmap(jacrev(asked), (None, 0))
        with evaluating(self._model), full_precision(self._model):
            classes = self._answer(self._parameters, x[:1]).shape[1]
            for some in x.split(max(1, self._rows // classes)):
                found = gradients(self._parameters, some)
                yield torch.cat([g.flatten(2) for g in found.values()], dim=2)

    def along(self, x: Tensor, direction: Tensor) -> Tensor:
        """How fast logits [B, C] move as the parameters move along a direction [size].

        The pullback of logits is linear; pulling the direction back through it is its transpose,
        which asks less of a network's operations than forward-mode derivatives do.
        """
        parts = direction.split(list(self.sizes.values()))
        named = zip(self._parameters.items(), parts, strict=True)
        tangent = {name: part.view_as(p) for (name, p), part in named}
        # Evidence is recorded in inference mode, whose tensors take no derivatives.
        with torch.inference_mode(False), evaluating(self._model), full_precision(self._model):

            def asked(parameters: Parameters) -> Tensor:
                return self._answer(parameters, x.clone())

            logits, pullback = _vjp(asked, self._parameters)
            _, transposed = _vjp(pullback, torch.zeros_like(logits))
            moved: Tensor = transposed((tangent,))[0]
        return moved

    def _answer(self, parameters: Parameters, x: Tensor) -> Tensor:
        answer: Tensor = functional_call(self._model, {**parameters, **self._buffers}, (x,))
        return answer


def _vjp(function: Callable[..., Any], primal: Any) -> tuple[Tensor, Callable[[Any], Any]]:
    """`torch.func.vjp`, whose type leaves open whether a third value comes."""
    value, pullback = vjp(function, primal)  # type: ignore[misc]
    return value, pullback
