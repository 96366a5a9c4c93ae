"""A fixed classifier at the vertices of a regular simplex, and the contrast that goes with it."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def simplex(k: int) -> Tensor:
    """K vertices [K, K - 1] of length 1, each pair at cosine -1 / (K - 1) (1902.10441).

    The unit vectors of R^(K-1) and a point on their diagonal as far from each as they are from
    one another, about their centre.
    """
    d = k - 1
    unit = torch.eye(d, dtype=torch.float64)
    last = torch.full((1, d), (1 - math.sqrt(d + 1)) / d, dtype=torch.float64)
    points = torch.cat([unit, last])
    points -= points.mean(0)
    return F.normalize(points, dim=1).float()


def contrast(new: Tensor, old: Tensor, y: Tensor, scale: float) -> Tensor:
    """Cross-entropy of each new feature finding its own old one among those of other classes.

    `new`, `old` [B, d] of the same samples, of which directions count; labels `y` [B]. Mean over
    the batch of -log(e_ii / (e_ii + sum over j of another class of e_ij)) with
    e_ij = exp(scale cos(old_i, new_j)) (2405.02581, equation 4).
    """
    similar = scale * F.normalize(old, dim=1) @ F.normalize(new, dim=1).T
    kin = y[:, None] == y[None, :]
    kin.fill_diagonal_(False)  # the sample itself stays, others of its class do not
    itself = torch.arange(len(y), device=y.device)
    return F.cross_entropy(similar.masked_fill(kin, -torch.inf), itself)
