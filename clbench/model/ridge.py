"""Ridge regression on one-hot labels, from sums that add up, and the choice of its strength."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import one_hot, pad


class RidgeSums:
    """G = sum of f f' [M, M] and Q = sum of f y' [M, C] over features f and one-hot labels y."""

    def __init__(self, m: int, device: torch.device) -> None:
        self.gram = torch.zeros(m, m, dtype=torch.float64, device=device)
        self.targets = torch.zeros(m, 0, dtype=torch.float64, device=device)

    def grow(self, n_classes: int) -> None:
        """Make room for classes."""
        self.targets = pad(self.targets, (0, max(0, n_classes - self.targets.shape[1])))

    def add(self, features: Tensor, y: Tensor) -> None:
        """Add features [B, M] with labels [B]."""
        self.gram.addmm_(features.T, features)
        self.targets.addmm_(features.T, one_hot(y, self.targets.shape[1]).to(features))

    def remove(self, features: Tensor, y: Tensor) -> None:
        """Take away features [B, M] with labels [B] that were added."""
        self.gram.addmm_(features.T, features, alpha=-1)
        self.targets.addmm_(features.T, one_hot(y, self.targets.shape[1]).to(features), alpha=-1)

    def solve(self, ridge: float) -> Tensor:
        """(G + ridge I)^-1 Q [M, C]."""
        damped = self.gram.clone()
        damped.diagonal().add_(ridge)
        solution: Tensor = torch.linalg.solve(damped, self.targets)
        return solution

    def state_dict(self) -> dict[str, Tensor]:
        """Q, and the upper triangle of G, which is symmetric."""
        return {"gram": self.gram[_upper(self.gram)], "targets": self.targets}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved sums."""
        upper = _upper(self.gram)
        self.gram.zero_()[upper] = state["gram"]
        self.gram += self.gram.triu(1).T
        self.targets = state["targets"]


def _upper(matrix: Tensor) -> Tensor:
    return torch.ones_like(matrix, dtype=torch.bool).triu()


def choose_ridge(features: Tensor, y: Tensor, n_classes: int, ridges: Sequence[float]) -> float:
    """The ridge whose fit on the first 80 % of the samples errs least on the last 20 %.

    The error is the squared one over all classes. `features` [n, M] double, labels `y` [n],
    two or more. One eigendecomposition serves all ridges: of the Gram matrix, or of the kernel
    matrix of the samples, whichever is smaller.
    """
    cut = len(y) * 4 // 5
    targets = one_hot(y, n_classes).to(features)
    (fit, held), (wanted, asked) = features.tensor_split([cut]), targets.tensor_split([cut])
    if cut < features.shape[1]:  # held K^-1 with K = fit fit' + ridge I, the same by duality
        values, vectors = torch.linalg.eigh(fit @ fit.T)
        left, right = held @ (fit.T @ vectors), vectors.T @ wanted
    else:
        values, vectors = torch.linalg.eigh(fit.T @ fit)
        left, right = held @ vectors, vectors.T @ (fit.T @ wanted)
    errors = [(left @ (right / (values + r)[:, None]) - asked).square().mean() for r in ridges]
    return ridges[int(torch.stack(errors).argmin())]
