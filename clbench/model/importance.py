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


def _mean_gradient(
    model: Network,
    chunks: Iterable[Batch],
    function: Callable[[Tensor, Tensor], Tensor],
    magnitude: Callable[[Tensor], Tensor],
    labels: Labels,
) -> Parameters:
    """Mean over samples of the magnitude of the gradient of function(logits [C], y)."""
    # Laid out plainly: torch cannot batch what its pooling does after channels-last weights.
    parameters = {
        name: p.detach().clone(memory_format=torch.contiguous_format)
        for name, p in model.named_parameters()
        if p.requires_grad
    }
    buffers = dict(model.named_buffers())
    sums = {name: torch.zeros_like(p) for name, p in parameters.items()}
    count = 0

    def asked(params: Parameters, x: Tensor, y: Tensor) -> Tensor:
        return function(functional_call(model, {**params, **buffers}, (x[None],))[0], y)

    on_cpu = all(p.device.type == "cpu" for p in parameters.values())
    values = AT_A_TIME_CPU if on_cpu else AT_A_TIME
    rows = max(1, values // max(1, sum(p.numel() for p in parameters.values())))
    gradients = partial(_alone, grad(asked)) if rows == 1 else vmap(grad(asked), (None, 0, 0))
    # bfloat16 has 8 bits: too few for squares of small gradients.
    with evaluating(model), full_precision(model):
        for batch in chunks:
            count += len(batch)
            for x, y, weight in _questions(model, batch, labels, rows):
                for name, g in gradients(parameters, x, y).items():
                    _add_weighted(sums[name], magnitude(g), weight)
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
    """Penalties 1/2 sum_i F_i (theta_i - anchor_i)^2, one a past update or one for all."""

    def __init__(self) -> None:
        self.terms: list[tuple[Parameters, Parameters]] = []  # importance, anchor
        self._rows = _Rows()

    def penalty(self, model: Network) -> Tensor:
        """The sum over all terms, a scalar; parameters that grew count by their old rows."""
        held = {name for importance, _ in self.terms for name in importance}
        now = {name: p for name, p in model.named_parameters() if name in held}
        if not now:
            return torch.zeros((), device=model.head.weight.device)
        importance, anchor = self._rows.of(self.terms, {name: p.numel() for name, p in now.items()})
        values = torch.cat([p.flatten() for p in now.values()])
        return (importance * (values - anchor).square()).sum() / 2

    def add(self, importance: Parameters, model: Network) -> None:
        """Anchor the model where it is, weighted by the importance."""
        self.terms.append((importance, _values(model)))

    def merge(self, importance: Parameters, model: Network, decay: float) -> None:
        """Keep one term: its importance decayed plus the new one, its anchor moved here."""
        if self.terms:
            (old, _), grown = self.terms[0], dict(importance)
            for name, value in old.items():
                grown[name] = importance[name].clone()
                grown[name][: len(value)] += decay * value
            importance = grown
        self.terms = [(importance, _values(model))]

    def state_dict(self) -> dict[str, dict[str, Parameters]]:
        """The terms by position."""
        return {str(i): {"importance": f, "anchor": a} for i, (f, a) in enumerate(self.terms)}

    def load_state_dict(self, state: dict[str, dict[str, Parameters]]) -> None:
        """Take over saved terms."""
        ordered = sorted(state.items(), key=lambda item: int(item[0]))
        self.terms = [(term["importance"], term["anchor"]) for _, term in ordered]


class _Rows:
    """Importance and anchor of all terms as [terms, values], made anew when one of them changes.

    One operation over all is many times as fast as some for each parameter of each term.
    """

    def __init__(self) -> None:
        self._key: list[object] = []
        self._terms: list[tuple[Parameters, Parameters]] = []  # held, so that no id is used again
        self._found: tuple[Tensor, Tensor]

    def of(
        self, terms: list[tuple[Parameters, Parameters]], sizes: dict[str, int]
    ) -> tuple[Tensor, Tensor]:
        """Both, in the order of parameters of these sizes; rows that came later are 0."""
        tensors = [t for term in terms for part in term for t in part.values()]
        key: list[object] = [sizes, *((id(t), t._version) for t in tensors)]
        if key != self._key:
            importance, anchor = (
                torch.stack([_end_to_end(term[i], sizes) for term in terms]) for i in (0, 1)
            )
            self._key, self._terms, self._found = key, list(terms), (importance, anchor)
        return self._found


def _end_to_end(part: Parameters, sizes: dict[str, int]) -> Tensor:
    device = next(iter(part.values())).device
    rows = [part[name].flatten() if name in part else None for name in sizes]
    filled = [torch.zeros(0, device=device) if row is None else row for row in rows]
    ends = zip(filled, sizes.values(), strict=True)
    return torch.cat([F.pad(row, (0, size - len(row))) for row, size in ends])


def _values(model: Network) -> Parameters:
    return {n: p.detach().clone() for n, p in model.named_parameters() if p.requires_grad}
