"""Forget updates in single plain steps, and the same steps by hand."""

import copy
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench.augment import to_input
from clbench.method import Method, Network
from clbench.play import Run
from clbench.source.base import Source
from forgetful import request
from living import begun, gaussians, versions

# One plain gradient step a pass, so that it can be compared with one by hand.
ONE_STEP = {
    "optimiser": "sgd",
    "lr": 0.1,
    "momentum": 0.0,
    "weight_decay": 0.0,
    "batch_size": 1000,
    "epochs": 1,
}
SMALL: dict[str, Any] = {
    "backbone": "mlp,width=8,depth=1",
    "training": {"batch_size": 8, "epochs": 5},
}
Loss = Callable[[Network], Tensor]
Labelled = tuple[Tensor, Tensor]  # inputs and labels


def asked(
    folder: Path,
    kind: type[Method],
    gone: Sequence[int],
    source: Source | None = None,
    **given: Any,
) -> Run:
    """A run of a small network that learns all of a source and is then to forget some ids."""
    source = source or gaussians()
    return begun(folder, kind, request(source, gone), source, **SMALL | given)


def before_and_after(run: Run) -> tuple[Method, Method]:
    """The original and the unlearned method."""
    original, unlearned = versions(run)
    return original, unlearned


def samples(run: Run, ids: Sequence[int]) -> Labelled:
    """Prepared inputs and labels of training samples."""
    chosen = torch.as_tensor(np.asarray(ids))
    return to_input(run.samples["train"].gather(chosen)), run.samples["train"].y[chosen]


def both(run: Run) -> tuple[Labelled, Labelled]:
    """What is to be forgotten, and what is retained."""
    update = run.stream.updates[1]
    assert update.retained is not None
    return samples(run, update.samples), samples(run, update.retained)


def stepped(model: Network, *losses: Loss, lr: float = 0.1) -> dict[str, Tensor]:
    """The weights of a copy after plain gradient steps down losses, one after the other."""
    model = copy.deepcopy(model)
    for loss in losses:
        gradients = torch.autograd.grad(loss(model), list(model.parameters()))
        with torch.no_grad():
            for parameter, gradient in zip(model.parameters(), gradients, strict=True):
                parameter -= lr * gradient
    return {name: p.detach() for name, p in model.named_parameters()}
