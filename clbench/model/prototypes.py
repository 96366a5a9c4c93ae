"""Sums from which closed-form heads follow: class means and their pooled scatter.

They are in double precision and add up: how the data are ordered and cut into updates changes the
result by rounding alone. Nothing of the samples themselves is kept.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import normalize, pad


class ClassMeans:
    """Sum of features [C, d] and count [C] of each class seen."""

    def __init__(self, d: int, device: torch.device) -> None:
        self.sums = torch.zeros(0, d, dtype=torch.float64, device=device)
        self.counts = torch.zeros(0, dtype=torch.float64, device=device)

    def grow(self, n_classes: int) -> None:
        """Make room for classes; a class without samples has the mean 0."""
        new = max(0, n_classes - len(self.counts))
        self.sums, self.counts = pad(self.sums, (0, 0, 0, new)), pad(self.counts, (0, new))

    def add(self, features: Tensor, y: Tensor) -> None:
        """Add features [B, d] with labels [B]."""
        self.sums.index_add_(0, y, features.double())
        self.counts.index_add_(0, y, torch.ones_like(y, dtype=torch.float64))

    @property
    def means(self) -> Tensor:
        """Class means [C, d]."""
        return self.sums / self.counts.clamp(min=1)[:, None]

    @property
    def priors(self) -> Tensor:
        """Shares of the classes among all samples [C]."""
        return self.counts / self.counts.sum().clamp(min=1)

    def cosines(self, features: Tensor) -> Tensor:
        """Cosine [B, C] of features [B, d] with each class mean."""
        return normalize(features.double()) @ normalize(self.means).T

    def state_dict(self) -> dict[str, Tensor]:
        """Sums and counts."""
        return {"sums": self.sums, "counts": self.counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved sums."""
        self.sums, self.counts = state["sums"], state["counts"]


class PooledScatter:
    """Class means and one scatter matrix [d, d] about them, summed over the classes."""

    def __init__(self, d: int, device: torch.device) -> None:
        self.classes = ClassMeans(d, device)
        self.scatter = torch.zeros(d, d, dtype=torch.float64, device=device)

    def add(self, features: Tensor, y: Tensor) -> None:
        """Merge features [B, d] with labels [B] (Chan, Golub and LeVeque 1979).

        The batch's scatter about its own class means is joined by what the means are apart. The
        difference of raw second moments would be the same sum with fewer digits.
        """
        batch = ClassMeans(features.shape[1], features.device)
        batch.grow(len(self.classes.counts))
        batch.add(features, y)
        centred = features.double() - batch.means[y]
        apart = batch.means - self.classes.means
        n, k = self.classes.counts, batch.counts
        weight = n * k / (n + k).clamp(min=1)
        self.scatter += centred.T @ centred + (apart * weight[:, None]).T @ apart
        self.classes.add(features, y)

    def covariance(self) -> Tensor:
        """Within-class covariance [d, d]: the scatter over the number of samples."""
        return self.scatter / self.classes.counts.sum().clamp(min=1)

    def state_dict(self) -> dict[str, Any]:
        """The sums of the means, and the scatter."""
        return {"classes": self.classes.state_dict(), "scatter": self.scatter}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over a saved scatter."""
        self.classes.load_state_dict(state["classes"])
        self.scatter = state["scatter"]


def discriminant(means: Tensor, covariance: Tensor) -> tuple[Tensor, Tensor]:
    """Linear discriminants w_c = S^-1 m_c and b_c = -1/2 m_c' S^-1 m_c, as [d, C] and [C].

    `means` [C, d], `covariance` S [d, d], positive definite; a log prior may be added to b.
    """
    weight = torch.linalg.solve(covariance, means.T)
    return weight, -(means.T * weight).sum(0) / 2
