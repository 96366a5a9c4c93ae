"""One Gaussian of features a class, to draw features of classes whose samples are gone."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

JITTER = 1e-4  # on the diagonal of a covariance, so that few samples have a density


class ClassGaussians:
    """Means [C, d] and Cholesky factors [C, d, d] of the covariances of each class's features.

    A covariance is factored once, when its class is seen, and not again for every draw.
    """

    def __init__(self, d: int, device: torch.device) -> None:
        self.means = torch.zeros(0, d, device=device)
        self.factors = torch.zeros(0, d, d, device=device)
        self.seen = torch.zeros(0, dtype=torch.bool, device=device)

    def fit(self, features: Tensor, y: Tensor, n_classes: int) -> None:
        """Describe the classes of features [n, d] with labels [n], in place of what was known."""
        new = max(0, n_classes - len(self.seen))
        self.means = pad(self.means, (0, 0, 0, new))
        self.factors = pad(self.factors, (0, 0, 0, 0, 0, new))
        self.seen = pad(self.seen, (0, new))
        for c in y.unique():
            own = features[y == c].double()
            mean = own.mean(0)
            covariance = (own - mean).T @ (own - mean) / max(1, len(own) - 1)
            covariance.diagonal().add_(JITTER)
            self.means[c], self.factors[c] = mean, torch.linalg.cholesky(covariance)
            self.seen[c] = True

    def sample(self, count: int, generator: Generator) -> tuple[Tensor, Tensor]:
        """`count` features of each class described, as (x [C count, d], y [C count])."""
        classes = self.seen.nonzero()[:, 0]
        d = self.means.shape[1]
        noise = torch.randn(len(classes), count, d, generator=generator).to(self.means.device)
        x = self.means[classes, None] + noise @ self.factors[classes].mT
        return x.reshape(-1, d), classes.repeat_interleave(count)

    def state_dict(self) -> dict[str, Tensor]:
        """Means, factors, and which classes they are known of."""
        return {"means": self.means, "factors": self.factors, "seen": self.seen}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved Gaussians."""
        self.means, self.factors, self.seen = state["means"], state["factors"], state["seen"]
