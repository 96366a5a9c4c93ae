"""Weights of networks that started alike, averaged."""

from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import Tensor, nn

Weights = Mapping[str, Tensor]


def mean_weights(members: Sequence[Weights]) -> dict[str, Tensor]:
    """The mean of each tensor over networks of one shape; of counters, the first's."""
    return {
        name: torch.stack([m[name] for m in members]).mean(dim=0)
        if first.is_floating_point()
        else first.clone()
        for name, first in members[0].items()
    }


def snapshot(model: nn.Module) -> dict[str, Tensor]:
    """The weights of a model as they are now, at a tenth of the price of a copy of it."""
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


@torch.no_grad()
def interpolate(model: nn.Module, old: nn.Module | Weights, share: float) -> None:
    """Set a model to (1 - share) old + share model, exactly so at 0 and 1.

    Rows of a head that the old model lacks, and counters, stay as they are in the model. Running
    statistics of BatchNorm are interpolated as weights are.
    """
    here = model.state_dict()
    weights = old.state_dict() if isinstance(old, nn.Module) else old
    for name, before in weights.items():
        if before.is_floating_point():
            now = here[name][: len(before)] if before.ndim else here[name]
            now.copy_(torch.lerp(before, now, share))


@torch.no_grad()
def recompute_batchnorm(model: nn.Module, batches: Iterable[Tensor]) -> None:
    """Running statistics of BatchNorm anew: the mean over batches of inputs [B, ...].

    An average of weights does not have the average of their statistics (1803.05407). A model
    without BatchNorm is left alone, and no batch is asked for.
    """
    norms = [m for m in model.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    norms = [m for m in norms if m.track_running_stats]
    if not norms:
        return
    modes, momenta = [m.training for m in model.modules()], [m.momentum for m in norms]
    model.eval()  # dropout off: the statistics are of the model that answers
    for norm in norms:
        norm.reset_running_stats()
        norm.train()
        norm.momentum = None  # a plain mean over the batches
    for x in batches:
        if len(x) > 1:  # one sample alone has no variance
            model(x)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    for module, mode in zip(model.modules(), modes, strict=True):
        module.training = mode
