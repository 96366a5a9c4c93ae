"""Attribution in closed form: what a ridge head's outputs owe to each of its training samples."""

import torch
from torch import Tensor

from clbench.errors import ClbenchError


class RidgeHead:
    """Ridge regression onto targets, W = (F'F + l I)^-1 F'T, and what it is without some samples.

    `features` F [n, d] and `targets` T [n, C] in double precision; `weights` W [d, C]. With `bias`
    the last feature is the constant 1, of which the weight is not penalised.

    Raises:
        ClbenchError: the ridge is not positive: heads of few samples would not be defined.
    """

    def __init__(
        self, features: Tensor, targets: Tensor, ridge: float, *, bias: bool = False
    ) -> None:
        if not ridge > 0:
            raise ClbenchError(f"the ridge is {ridge:g}; it must be above 0")
        gram = features.T @ features
        gram.diagonal()[: len(gram) - bias].add_(ridge)
        self._features = features
        self._factor = torch.linalg.cholesky(gram)
        self.weights = torch.cholesky_solve(features.T @ targets, self._factor)
        self._residuals = targets - features @ self.weights

    def without(self, removed: Tensor) -> Tensor:
        """The head [d, C] that is fitted to all samples but `removed` [s], exactly.

        W - A^-1 F_S' (I - F_S A^-1 F_S')^-1 (T_S - F_S W), by Woodbury's identity.
        """
        some = self._features[removed]
        spread = torch.cholesky_solve(some.T, self._factor)  # [d, s]
        rest = -(some @ spread)
        rest.diagonal().add_(1)
        change: Tensor = spread @ torch.linalg.solve(rest, self._residuals[removed])
        return self.weights - change

    def influences(self, queries: Tensor, *, left_out: bool = True) -> Tensor:
        """What outputs of queries [m, d] lose without each sample: [n, m, C].

        Exact for the removal of any single one. With `left_out` False the first-order influence,
        which lacks the factor 1 / (1 - h_i) of a sample's leverage h_i; of sets, sums of either are
        an approximation.
        """
        spread = torch.cholesky_solve(queries.T, self._factor)  # [d, m]
        residuals = self._residuals
        if left_out:
            own = torch.cholesky_solve(self._features.T, self._factor)
            residuals = residuals / (1 - (self._features.T * own).sum(0))[:, None]
        return (self._features @ spread)[:, :, None] * residuals[:, None, :]
