"""How much each parameter matters for what was learned, and the penalty for moving it."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.func import functional_call, grad, vmap

from clbench.errors import ClbenchError
from clbench.model.network import Network, evaluating, full_precision
from clbench.view import Batch

# Gradient values that are held together: 256 MiB, on a CPU 16 MiB, which stay near its caches and
# so take down to a third of the time.
AT_A_TIME = 1 << 26
AT_A_TIME_CPU = 1 << 22
Parameters = dict[str, Tensor]
Labels = Literal["exact", "sampled", "empirical"]


def fisher_diagonal(model: Network, chunks: Iterable[Batch], labels: Labels) -> Parameters:
    """Diagonal of the Fisher information: E[(d log p(y|x) / d theta)^2] over the samples.

    Gradients are per sample; squaring a batch's mean gradient instead would make the result
    depend on the batch size. `labels` says where y comes from: `exact` takes the expectation over
    all classes under the model, `sampled` draws one y from the model, `empirical` takes the true
    one (1612.00796; for the variants see 1906.02890).

    Raises:
        ClbenchError: the network's outputs are not finite.
    """

    def log_likelihood(logits: Tensor, y: Tensor) -> Tensor:
        return F.log_softmax(logits, dim=0).gather(0, y[None])[0]

    return _mean_gradient(model, chunks, log_likelihood, Tensor.square_, labels)


def output_sensitivity(model: Network, chunks: Iterable[Batch]) -> Parameters:
    """Importance without labels: E|d ||f(x)||^2 / d theta| over the samples (MAS, 1711.09601).

    f are the logits. Magnitudes are per sample: gradients of a batch's mean, which public code
    takes, cancel where samples pull in different directions.

    Raises:
        ClbenchError: the network's outputs are not finite.
    """

    def squared_norm(logits: Tensor, y: Tensor) -> Tensor:
        return logits.square().sum()

    return _mean_gradient(model, chunks, squared_norm, Tensor.abs_, "empirical")


def take_gradients(
    model: Network,
    chunks: Iterable[Batch],
    function: Callable[[Tensor, Tensor], Tensor],
    labels: Labels,
    take: Callable[[Parameters, Tensor], None],
) -> None:
    """Gradients of function(logits [C], y) of one sample each, in eval mode and in float32.

    `take` is handed gradients [b, ...] of all trained parameters for some samples at a time, with
    the weight [b] of each: with `exact` labels a sample comes once for each class.

    Raises:
        ClbenchError: the network's outputs are not finite.
    """
    # Laid out plainly: torch cannot batch what its pooling does after channels-last weights.
    parameters = {
        name: p.detach().clone(memory_format=torch.contiguous_format)
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    buffers = dict(model.named_buffers())

    def asked(params: Parameters, x: Tensor, y: Tensor) -> Tensor:
        return function(functional_call(model, {**params, **buffers}, (x[None],))[0], y)

    on_cpu = all(p.device.type == "cpu" for p in parameters.values())
    values = AT_A_TIME_CPU if on_cpu else AT_A_TIME
    rows = max(1, values // max(1, sum(p.numel() for p in parameters.values())))
    gradients = partial(_alone, grad(asked)) if rows == 1 else vmap(grad(asked), (None, 0, 0))
    # bfloat16 has 8 bits: too few for squares of small gradients.
    with evaluating(model), full_precision(model):
        for batch in chunks:
            for x, y, weight in _questions(model, batch, labels, rows):
                take(gradients(parameters, x, y), weight)


def _mean_gradient(
    model: Network,
    chunks: Iterable[Batch],
    function: Callable[[Tensor, Tensor], Tensor],
    magnitude: Callable[[Tensor], Tensor],
    labels: Labels,
) -> Parameters:
    """Mean over samples of the magnitude of the gradient of function(logits [C], y)."""
    sums = {
        name: torch.zeros_like(p, memory_format=torch.contiguous_format)
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    count = 0

    def counted() -> Iterator[Batch]:
        nonlocal count
        for batch in chunks:
            count += len(batch)
            yield batch

    def add(gradients: Parameters, weight: Tensor) -> None:
        for name, g in gradients.items():
            _add_weighted(sums[name], magnitude(g), weight)

    take_gradients(model, counted(), function, labels, add)
    return {name: total / max(1, count) for name, total in sums.items()}


def _add_weighted(total: Tensor, rows: Tensor, weight: Tensor) -> None:
    """Add rows [b, ...], each times its weight [b]; one row without a copy, which may be large."""
    if len(rows) == 1:
        total.add_(rows[0], alpha=float(weight[0]))
    else:
        total += (weight.to(rows) @ rows.flatten(1)).view_as(total)


def _alone(
    gradient: Callable[[Parameters, Tensor, Tensor], Parameters],
    parameters: Parameters,
    x: Tensor,
    y: Tensor,
) -> Parameters:
    """Gradients [1, ...] of one row: a convolution with weights a row takes 4 times as long."""
    return {name: g[None] for name, g in gradient(parameters, x[0], y[0]).items()}


def _questions(
    model: Network, batch: Batch, labels: Labels, rows: int
) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Inputs, a label each to take gradients at, and its weight; some rows at a time."""
    logits: Tensor = model(batch.x)
    if not bool(torch.isfinite(logits).all()):
        raise ClbenchError(
            "training diverged: the network's outputs are not finite; lower the learning rate, or "
            "the strength of a penalty (its gradient step is learning rate x strength x importance)"
        )
    for y, weight in _targets(logits, batch.y, labels):
        yield from zip(batch.x.split(rows), y.split(rows), weight.split(rows), strict=True)


def _targets(logits: Tensor, y: Tensor, labels: Labels) -> list[tuple[Tensor, Tensor]]:
    """Labels to take gradients at, each with its weight, both [B]."""
    ones = logits.new_ones(len(y))
    if labels == "empirical":
        return [(y, ones)]
    p = logits.softmax(dim=1)
    if labels == "sampled":
        return [(torch.multinomial(p, 1)[:, 0], ones)]
    return [(torch.full_like(y, c), p[:, c]) for c in range(p.shape[1])]


class QuadraticAnchor:
    """The penalty 1/2 sum_i F_i (theta_i - anchor_i)^2, up to a constant.

    Penalties with several anchors are one penalty and a constant: their importances add up, and
    the anchor is the mean that they weigh. So a past update costs neither memory nor time.
    """

    def __init__(self) -> None:
        self.importance: Parameters = {}
        self.anchor: Parameters = {}
        self._flat = _Flat()

    def penalty(self, model: Network) -> Tensor:
        """A scalar; parameters that grew count by their old rows."""
        now = {name: p for name, p in model.named_parameters() if name in self.importance}
        if not now:
            return torch.zeros((), device=model.head.weight.device)
        sizes = {name: p.numel() for name, p in now.items()}
        importance, anchor = self._flat.of((self.importance, self.anchor), sizes)
        values = torch.cat([p.flatten() for p in now.values()])
        return (importance * (values - anchor).square()).sum() / 2

    def add(self, importance: Parameters, model: Network) -> None:
        """One penalty more: the model anchored where it is, weighted by the importance."""
        total, here = _grown(self.importance, importance), _values(model)
        for name, old in self.anchor.items():
            rows = slice(len(old))
            share = importance[name][rows] / total[name][rows]
            share = torch.where(total[name][rows] > 0, share, 1.0)  # none matters: move along
            here[name][rows] = old.lerp(here[name][rows], share)
        self.importance, self.anchor = total, here

    def merge(self, importance: Parameters, model: Network, decay: float) -> None:
        """One penalty for all: importance decayed plus the new one, the anchor moved here."""
        decayed = {name: decay * value for name, value in self.importance.items()}
        self.importance, self.anchor = _grown(decayed, importance), _values(model)

    def state_dict(self) -> dict[str, Parameters]:
        """Importance and anchor by parameter; empty before the first penalty."""
        return {"importance": self.importance, "anchor": self.anchor} if self.importance else {}

    def load_state_dict(self, state: dict[str, Parameters]) -> None:
        """Take over a saved penalty."""
        self.importance, self.anchor = state.get("importance", {}), state.get("anchor", {})


class _Flat:
    """Importance and anchor as one row each, made anew when one of them changes.

    One operation over all is many times as fast as some for each parameter.
    """

    def __init__(self) -> None:
        self._key: list[object] = []
        self._parts: tuple[Parameters, ...] = ()  # held, so that no id is used again
        self._found: tuple[Tensor, ...] = ()

    def of(self, parts: tuple[Parameters, ...], sizes: dict[str, int]) -> tuple[Tensor, ...]:
        """Both, in the order of parameters of these sizes; rows that came later are 0."""
        key: list[object] = [sizes, *((id(t), t._version) for part in parts for t in part.values())]
        if key != self._key:
            found = tuple(_end_to_end(part, sizes) for part in parts)
            self._key, self._parts, self._found = key, parts, found
        return self._found


def _grown(old: Parameters, new: Parameters) -> Parameters:
    """Their sum, where the new may have more rows."""
    total = {name: value.clone() for name, value in new.items()}
    for name, value in old.items():
        total[name][: len(value)] += value
    return total


def _end_to_end(part: Parameters, sizes: dict[str, int]) -> Tensor:
    rows = [
        F.pad(part[name].flatten(), (0, size - part[name].numel())) for name, size in sizes.items()
    ]
    return torch.cat(rows)


def _values(model: Network) -> Parameters:
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
