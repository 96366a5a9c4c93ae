"""TRAK: what training samples do to outputs, by projected gradients of margins (2303.14186)."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clbench.ensemble.gradients import Gradients, Projection
from clbench.errors import ClbenchError
from clbench.seeds import derive

ROOM = 8 << 30  # bytes of what is kept of the training samples


def margin(logits: Tensor, y: Tensor) -> Tensor:
    """f_y - log sum over k != y of exp f_k, the logit of p_y; `logits` [..., C], labels [...].

    Raises:
        ClbenchError: there is one class, of which no margin is defined.
    """
    classes = logits.shape[-1]
    if classes < 2:
        raise ClbenchError("margins need two classes or more; the model knows one: learn another")
    label = torch.arange(classes, device=logits.device) == y[..., None]
    others = logits.masked_fill(label, -torch.inf).logsumexp(-1)
    return (logits * label).sum(-1) - others


def damped(kernel: Tensor, damping: float) -> Tensor:
    """The kernel plus `damping` times its mean diagonal on the diagonal."""
    return kernel + damping * kernel.diagonal().mean() * torch.eye(len(kernel)).to(kernel)


def trak_scores(
    models: Sequence[nn.Module],
    train: tuple[Tensor, Tensor],
    queries: Tensor,
    labels: Tensor | None = None,
    *,
    dimensions: int = 2048,
    damping: float = 0.0,
    weighted: bool = False,
    seed: int = 0,
) -> Tensor:
    """What each training sample adds to each output: scores [n, m, C], in double precision.

    The mean over models of Phi(x) (Phi' Phi + l I)^-1 Phi', times the mean of Q = 1 - p, with Phi
    the projected gradients of the training margins. Outputs are the logits of `queries` [m, ...],
    or with `labels` [m] their margins (C = 1), as in the paper. Removing samples lowers outputs
    by the sum of their scores, up to a scale: the paper leaves out the weights p (1 - p), which
    make the kernel the Hessian of the loss along the margins; `weighted` keeps them. `damping` is
    a share of the kernel's mean diagonal; the paper takes 0, for which n must exceed `dimensions`.

    Raises:
        ClbenchError: the kernel cannot be inverted without damping.
    """
    options: dict[str, Any] = {"dimensions": dimensions, "damping": damping}
    return Trak(models, train, **options, weighted=weighted, seed=seed).scores(queries, labels)


class Trak:
    """The scores of `trak_scores` for queries that come in parts: kernels are made once.

    Raises:
        ClbenchError: a kernel has no inverse, or what is kept of the samples takes too much room.
    """

    def __init__(
        self,
        models: Sequence[nn.Module],
        train: tuple[Tensor, Tensor],
        *,
        dimensions: int,
        damping: float,
        weighted: bool,
        seed: int = 0,
    ) -> None:
        check_trak(models, len(train[0]), dimensions, damping)
        self._models: list[tuple[Gradients, Projection, Tensor]] = []
        doubt = []
        for k, model in enumerate(models):
            gradients = Gradients(model)
            projection = Projection(gradients.sizes, dimensions, derive(seed, "trak", k))
            phi, margins = margin_features(gradients, projection, *train)
            q = margins.neg().sigmoid()
            weight = (q * (1 - q))[:, None] if weighted else 1.0
            kernel = damped(phi.T @ (weight * phi), damping)
            self._models.append((gradients, projection, solved(kernel, phi.T)))
            doubt.append(q)
        self._doubt = torch.stack(doubt).mean(0)

    def scores(self, queries: Tensor, labels: Tensor | None = None) -> Tensor:
        """Scores [n, m, C] of the training samples for queries [m, ...]."""
        influence = [
            right.T @ _query_features(gradients, projection, queries, labels).flatten(0, 1).T
            for gradients, projection, right in self._models
        ]
        scores = torch.stack(influence).mean(0) * self._doubt[:, None]
        return scores.view(len(scores), len(queries), -1)


def check_trak(models: Sequence[nn.Module], samples: int, dimensions: int, damping: float) -> None:
    """Refuse what cannot be, before any gradient is taken.

    Raises:
        ClbenchError: so many samples make no kernel that has an inverse without damping, or the
            models keep more than 8 GiB of them.
    """
    sizes = [sum(p.numel() for p in model.parameters()) for model in models]
    widths = [min(dimensions, size) for size in sizes]
    if not damping and max(widths, default=0) > samples:
        raise _singular(max(widths))
    if (room := sum(widths) * samples * 8) > ROOM:
        raise ClbenchError(
            f"TRAK of {len(models)} models with {max(widths)} dimensions keeps "
            f"{room / 2**30:.1f} GiB of {samples} samples, and {ROOM / 2**30:g} are allowed; use "
            f"{ROOM // (len(models) * samples * 8)} dimensions or fewer"
        )


def margin_features(
    gradients: Gradients, projection: Projection, x: Tensor, y: Tensor
) -> tuple[Tensor, Tensor]:
    """Projected gradients Phi [n, dimensions] of the margins, and the margins [n], in double."""
    found = [(projection.down(g).double(), m.double()) for g, m in gradients.of(margin, x, y)]
    phi, margins = (torch.cat(each) for each in zip(*found, strict=True))
    return phi, margins


def solved(kernel: Tensor, right: Tensor) -> Tensor:
    """kernel^-1 right.

    Raises:
        ClbenchError: the kernel is not positive definite.
    """
    factor, failed = torch.linalg.cholesky_ex(kernel)
    if int(failed):
        raise _singular(len(kernel))
    return torch.cholesky_solve(right, factor)


def _singular(dimensions: int) -> ClbenchError:
    return ClbenchError(
        f"TRAK's kernel of {dimensions} dimensions cannot be inverted; set damping above 0, or "
        "fewer dimensions than there are training samples"
    )


def _query_features(
    gradients: Gradients, projection: Projection, x: Tensor, labels: Tensor | None
) -> Tensor:
    """Projected gradients [m, C, dimensions] of logits, or of margins (C = 1)."""
    if labels is not None:
        return margin_features(gradients, projection, x, labels)[0][:, None]
    rows = [projection.down(g.flatten(0, 1)).view(*g.shape[:2], -1) for g in gradients.of_logits(x)]
    return torch.cat(rows).double()
