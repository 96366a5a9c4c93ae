"""What each training sample does to the predictions for the others: exact for a ridge head.

A ridge regression of one-hot labels on the arrays of a source has a closed form for what happens
when a sample is left out, so that scores which cost thousands of trained models elsewhere are one
factorisation here. They are those of this head, not of a network that learns the source.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from clbench.source.base import AnyArray, IntArray
from clbench_scenarios.components import FloatArray, principal_component

RIDGE = 1e-3  # of the mean squared norm of a sample, which features are scaled to
BLOCK = 1 << 22  # numbers of the attribution matrix that are there at a time


def features_of(x: AnyArray) -> FloatArray:
    """[n, d + 1]: samples as centred vectors of mean squared norm 1, and a column of ones."""
    flat = x.reshape(len(x), -1).astype(np.float64)
    flat -= flat.mean(axis=0)
    flat /= np.sqrt((flat**2).sum() / max(1, len(flat))) or 1.0
    return np.hstack([flat, np.ones((len(flat), 1))])


@dataclass(frozen=True)
class RidgeHead:
    """Ridge regression of one-hot labels: W = (X'X + n ridge I)^-1 X'Y.

    `x` [n, d] features (`features_of`), `y` [n] labels 0 .. C - 1. The penalty stays as it is when
    a sample is left out.

    Leaving out sample i moves the outputs at z from f(z) to f(z) - z'M x_i e_i, with
    M = (X'X + n ridge I)^-1 and e_i [C] the residual that i would have were it left out,
    (y_i - f(x_i)) / (1 - x_i'M x_i): the Sherman-Morrison formula, exact.
    """

    x: FloatArray
    y: IntArray
    ridge: float = RIDGE

    @cached_property
    def outputs(self) -> FloatArray:
        """[n, C] of the training samples."""
        return self.x @ (self._mapped.T @ self._targets)

    @cached_property
    def left_out(self) -> FloatArray:
        """[n, C] residual of each sample under the head that was fitted without it."""
        return (self._targets - self.outputs) / (1 - self._leverage)[:, None]

    @cached_property
    def memorisation(self) -> FloatArray:
        """[n] what a sample adds to the output of its own label at itself.

        The score of Feldman and Zhang 2020 (arXiv:2008.03703), mem(i) = P(h(x_i) = y_i) with i in
        the training set, less the same without it; of outputs in place of probabilities, as a ridge
        head gives one model and not a distribution of them.
        """
        return self._leverage * self._own(self.left_out)

    @cached_property
    def influence(self) -> FloatArray:
        """[n] how much a sample moves the outputs of their own labels at all others, summed.

        The influence of Feldman and Zhang 2020 on each other training sample, its absolute value.
        """
        total = np.concatenate([np.abs(rows).sum(axis=1) for rows in self._rows()])
        return total - np.abs(self.memorisation)

    def attribution(self) -> FloatArray:
        """[n, n]: what sample i adds to the output of its own label at sample j."""
        return np.concatenate(list(self._rows()))

    def component(self, number: int) -> FloatArray:
        """[n] scores of the samples on a principal component of the attribution matrix.

        Its rows are the observations, as in the forget sets of "Attribute-to-Delete" (Georgiev et
        al. 2024, arXiv:2410.23232), which come from the components of a datamodel matrix. Component
        1 has the largest variance; the largest score in absolute value is positive.

        Raises:
            ClbenchError: the matrix has fewer components, or their variances are too alike.
        """
        scores, _ = principal_component(_Centred(self), number)
        return scores

    def confused(self, n_classes: int) -> FloatArray:
        """[C, C]: share of class a that the head, fitted without the sample, takes for b."""
        guess = (self._targets - self.left_out).argmax(axis=1)
        counts = np.zeros((n_classes, n_classes))
        np.add.at(counts, (self.y, guess), 1)
        np.fill_diagonal(counts, 0)
        sizes = np.bincount(self.y, minlength=n_classes).astype(np.float64)
        shares: FloatArray = counts / np.maximum(1.0, sizes)[:, None]
        return shares

    @cached_property
    def _mapped(self) -> FloatArray:
        """[n, d]: X M."""
        gram = self.x.T @ self.x
        gram[np.diag_indices_from(gram)] += len(self.x) * self.ridge
        return np.asarray(np.linalg.solve(gram, self.x.T).T, dtype=np.float64)

    @cached_property
    def _targets(self) -> FloatArray:
        return np.eye(int(self.y.max()) + 1)[self.y]

    @cached_property
    def _leverage(self) -> FloatArray:
        found: FloatArray = np.einsum("nd,nd->n", self.x, self._mapped)
        return found

    def _own(self, table: FloatArray) -> FloatArray:
        """[n] of a table [n, C], the column of each sample's label."""
        found: FloatArray = table[np.arange(len(self.y)), self.y]
        return found

    def _rows(self) -> Iterator[FloatArray]:
        """The attribution matrix in blocks of rows."""
        size = max(1, BLOCK // len(self.x))
        for start in range(0, len(self.x), size):
            some = slice(start, start + size)
            yield (self._mapped[some] @ self.x.T) * self.left_out[some][:, self.y]


class _Centred:
    """The attribution matrix less the mean of its rows, as products with vectors: never formed."""

    def __init__(self, head: RidgeHead) -> None:
        self._x, self._mapped, self._left_out = head.x, head._mapped, head.left_out
        self._one_hot = head._targets
        self.size = len(head.x)

    def times(self, v: FloatArray) -> FloatArray:
        """[n]: A v, centred."""
        moved = self._mapped @ (self._x.T @ (v[:, None] * self._one_hot))
        result = (moved * self._left_out).sum(axis=1)
        centred: FloatArray = result - result.mean()
        return centred

    def transposed(self, u: FloatArray) -> FloatArray:
        """[n]: A' u, centred."""
        weighed = (u - u.mean())[:, None] * self._left_out
        result: FloatArray = ((self._x @ (self._mapped.T @ weighed)) * self._one_hot).sum(axis=1)
        return result
