"""What each training sample adds to margins: by regression, by gradients, in closed form.

An attribution is a matrix [n, m]: what the presence of each of n training samples adds to the
margin of each of m queries. It predicts the margins of a model of a subset by sums of its rows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad

from clbench.augment import to_input
from clbench.ensemble.datamodels import (
    FloatArray,
    choose_penalty,
    choose_share,
    lasso_datamodels,
    ridge_contrast,
)
from clbench.ensemble.job import Job, Part, vectors
from clbench.ensemble.retrained import Retrained
from clbench.ensemble.ridge_head import RidgeHead
from clbench.ensemble.ridge_removal import RIDGES
from clbench.ensemble.trak import Trak, margin
from clbench.model.network import Network
from clbench.model.ridge import choose_ridge

By = Literal["ridge", "lasso", "trak", "exact"]
CHOOSING = 256  # queries for which a penalty is chosen, at most
NUMBERS = 1 << 24  # that are held for some queries, samples and classes


@dataclass(frozen=True)
class Attribution:
    """Scores [n, queries] of some queries, and the penalty or damping that was taken."""

    scores: Callable[[slice], FloatArray]
    penalty: float


def regressed(by: Literal["ridge", "lasso"], found: Retrained) -> Attribution:
    """Datamodels of the models that are not held out, one penalty for all queries (2202.00622)."""
    masks, margins = found.masks[~found.held], found.margins[~found.held, :, None]
    few = margins[:, :: -(-margins.shape[1] // CHOOSING)]
    if by == "lasso":
        share = choose_share(masks, few)
        return Attribution(
            lambda some: lasso_datamodels(masks, margins[:, some], share).weights[:, :, 0], share
        )
    penalty = choose_penalty(masks, few)
    contrasts = ridge_contrast(masks, np.eye(masks.shape[1], dtype=np.bool_), penalty)
    return Attribution(lambda some: contrasts.T @ margins[:, some, 0], penalty)


def by_gradients(
    job: Job, models: Sequence[Network], dimensions: int, damping: float
) -> Attribution:
    """TRAK of trained models, with the weights p (1 - p) in its kernel (see `trak_scores`)."""
    device = torch.device(job.device)
    train = _inputs(job.train, slice(None), device)
    trak = Trak(models, train, dimensions=dimensions, damping=damping, weighted=True)

    def scores(some: slice) -> FloatArray:
        found: FloatArray = trak.scores(*_queries(job, some, device))[:, :, 0].cpu().numpy()
        return found

    return Attribution(scores, damping)


def in_closed_form(job: Job, ridge: float | None) -> Attribution:
    """What margins lose without each sample, exactly, for a ridge head on the source's vectors.

    The head is that of a store of ridge heads: onto one-hot labels, its bias not penalised. Without
    a ridge, that of `RIDGES` which errs least on held-out samples (`choose_ridge`).
    """
    (x, y), (test, labels) = (vectors(part, job.device) for part in (job.train, job.test))
    features, asked = (pad(each, (0, 1), value=1.0) for each in (x, torch.cat([x, test])))
    ridge = _chosen(features, y, job.n_classes) if ridge is None else ridge
    head = RidgeHead(features, one_hot(y, job.n_classes).double(), ridge, bias=True)
    labels, size = torch.cat([y, labels]), max(1, NUMBERS // (len(x) * job.n_classes))

    def lost(queries: Tensor, y: Tensor) -> Tensor:
        logits = queries @ head.weights
        without = logits - head.influences(queries)
        return margin(logits, y) - margin(without, y.expand(len(x), -1))

    def scores(some: slice) -> FloatArray:
        parts = zip(asked[some].split(size), labels[some].split(size), strict=True)
        found: FloatArray = torch.cat([lost(*part) for part in parts], dim=1).cpu().numpy()
        return found

    return Attribution(scores, ridge)


def _chosen(features: Tensor, y: Tensor, n_classes: int) -> float:
    order = torch.randperm(len(y), generator=torch.Generator().manual_seed(0)).to(y.device)
    return choose_ridge(features[order], y[order], n_classes, RIDGES)


def _inputs(part: Part, some: slice, device: torch.device) -> tuple[Tensor, Tensor]:
    """Inputs and labels of some of the samples that a part asks for."""
    ids = part.asked[some]
    x, y = torch.from_numpy(part.x[ids]), torch.from_numpy(part.y[ids])
    return to_input(x.to(device)), y.to(device)


def _queries(job: Job, some: slice, device: torch.device) -> tuple[Tensor, Tensor]:
    n = len(job.train.asked)
    trained = _inputs(job.train, slice(some.start, min(some.stop, n)), device)
    tested = _inputs(job.test, slice(max(0, some.start - n), max(0, some.stop - n)), device)
    x, y = (torch.cat(each) for each in zip(trained, tested, strict=True))
    return x, y
