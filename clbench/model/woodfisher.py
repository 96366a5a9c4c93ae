"""The inverse of a damped empirical Fisher, applied to a vector without ever being formed."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from clbench.errors import ClbenchError
from clbench.model.importance import Parameters, take_gradients
from clbench.model.modes import modes_kept
from clbench.model.network import Network, full_precision
from clbench.view import Batch

ROOM = 8 << 30  # bytes of gradients that are held


def loss_gradient(model: Network, chunks: Iterable[Batch]) -> Tensor:
    """Gradient [P] of the mean cross-entropy over the samples, in eval mode and in float32.

    P counts the trained parameters, end to end in the order of `named_parameters`.
    """
    parameters = [p for p in model.parameters() if p.requires_grad]
    total = parameters[0].new_zeros(sum(p.numel() for p in parameters))
    count = 0
    with modes_kept(model), full_precision(model), torch.enable_grad():
        model.eval()
        for batch in chunks:
            loss = F.cross_entropy(model(batch.x), batch.y, reduction="sum")
            total += torch.cat([g.flatten() for g in torch.autograd.grad(loss, parameters)])
            count += len(batch)
    return total / max(1, count)


def check_room(model: Network, samples: int) -> int:
    """The width P of rows of gradients, of which so many samples' can be held.

    Raises:
        ClbenchError: they take more than 8 GiB.
    """
    width = sum(p.numel() for p in model.parameters() if p.requires_grad)
    if samples * width * 4 > ROOM:
        raise ClbenchError(
            f"{samples} gradients of {width:,} parameters take {samples * width * 4 / 2**30:.1f} "
            f"GiB, and {ROOM / 2**30:g} are allowed; use {ROOM // (width * 4)} samples or fewer"
        )
    return width


def gradient_rows(model: Network, chunks: Iterable[Batch], samples: int) -> Tensor:
    """Gradients [samples, P] of each sample's log-likelihood under its own label.

    Raises:
        ClbenchError: they take more than 8 GiB, or the network's outputs are not finite.
    """
    rows = [next(model.parameters()).new_zeros(0, check_room(model, samples))]

    def log_likelihood(logits: Tensor, y: Tensor) -> Tensor:
        return F.log_softmax(logits, dim=0).gather(0, y[None])[0]

    def take(gradients: Parameters, weight: Tensor) -> None:
        rows.append(torch.cat([g.flatten(1) for g in gradients.values()], dim=1))

    take_gradients(model, chunks, log_likelihood, "empirical", take)
    return torch.cat(rows)


def inverse_fisher_product(rows: Tensor, vector: Tensor, damping: float) -> Tensor:
    """(damping I + rows' rows / N)^-1 vector, for `rows` [N, P] and `vector` [P].

    What N rank-1 updates of the inverse lead to (WoodFisher, 2004.14340), all at once: Woodbury's
    identity leaves an N x N system. Done one by one, the n-th update needs the inverse before it
    times its own gradient, and so all earlier ones; public code keeps one vector for all of them.
    """
    gram = (rows @ rows.T).double()
    gram.diagonal().add_(damping * len(rows))
    weights: Tensor = torch.linalg.solve(gram, (rows @ vector).double())
    return (vector - rows.T @ weights.to(rows)) / damping


def shift(model: Network, vector: Tensor) -> None:
    """Add a vector [P] to the trained parameters."""
    parameters = [p for p in model.parameters() if p.requires_grad]
    with torch.no_grad():
        parts = vector.split([p.numel() for p in parameters])
        for p, part in zip(parameters, parts, strict=True):
            p.add_(part.view(p.shape))
