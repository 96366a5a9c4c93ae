"""Steps that move some weights and hold the others."""

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.model.modes import modes_kept
from clbench.model.network import Network, full_precision
from clbench.view import Batch

Masks = dict[str, Tensor]  # for each parameter by name: which of its entries may move
Step = Callable[[Tensor], None]


def most_salient(model: Network, chunks: Iterable[Batch], share: float) -> Masks:
    """The share of all weights whose cross-entropy gradient over the samples is largest.

    The magnitude is that of the gradient's sum over samples, in eval mode, so neither batches nor
    their order matter; weights of all layers compete (SalUn, 2310.12508).
    """
    named = {name: p for name, p in model.named_parameters() if p.requires_grad}
    total = {name: torch.zeros_like(p) for name, p in named.items()}
    with modes_kept(model), full_precision(model):
        model.eval()
        for batch in chunks:
            loss = cross_entropy(model(batch.x), batch.y, reduction="sum")
            found = torch.autograd.grad(loss, list(named.values()), materialize_grads=True)
            for name, g in zip(named, found, strict=True):
                total[name] += g
    magnitude = torch.cat([g.abs().flatten() for g in total.values()])
    free = torch.zeros_like(magnitude, dtype=torch.bool)
    free[magnitude.topk(int(share * len(magnitude))).indices] = True
    parts = free.split([g.numel() for g in total.values()])
    return {n: part.view_as(p) for (n, p), part in zip(named.items(), parts, strict=True)}


def holding(step: Step, model: nn.Module, free: Masks) -> Step:
    """The step, after which weights that are not free are as they were when this was called.

    Masked gradients alone would not hold them: weight decay and momentum move them, too.
    """
    named = {name: p for name, p in model.named_parameters() if name in free}
    start = {name: p.detach().clone() for name, p in named.items()}

    def held(loss: Tensor) -> None:
        step(loss)
        with torch.no_grad():
            for name, parameter in named.items():
                parameter.copy_(torch.where(free[name], parameter, start[name]))

    return held
