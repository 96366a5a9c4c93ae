"""Principal components of a matrix that is known by its products with vectors."""

from typing import Protocol

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError

FloatArray = npt.NDArray[np.float64]
STEPS = 300  # of the bidiagonalisation; some dozens are usual
TOLERANCE = 1e-10


class Matrix(Protocol):
    """A square matrix A [n, n]."""

    size: int

    def times(self, v: FloatArray) -> FloatArray:
        """A v, [n]."""

    def transposed(self, u: FloatArray) -> FloatArray:
        """A' u, [n]."""


def principal_component(matrix: Matrix, number: int) -> tuple[FloatArray, float]:
    """Scores [n] = u s of one singular triple of a matrix, and s; the `number`-th largest, from 1.

    Golub-Kahan bidiagonalisation with full reorthogonalisation, from a fixed start.

    Raises:
        ClbenchError: there are fewer, or they do not separate within `STEPS` steps.
    """
    left, right = np.zeros((0, matrix.size)), np.zeros((0, matrix.size))
    diagonal: list[float] = []
    above: list[float] = []
    v = np.random.default_rng(0).standard_normal(matrix.size)
    v /= np.linalg.norm(v)
    for _ in range(min(STEPS, matrix.size)):
        u = matrix.times(v) - (above[-1] * left[-1] if above else 0.0)
        u, alpha = _against(left, u)
        left, right = np.vstack([left, u]), np.vstack([right, v])
        diagonal.append(alpha)
        v, beta = _against(right, matrix.transposed(u) - alpha * v)
        small = np.diag(diagonal) + np.diag(above, 1)
        p, s, _ = np.linalg.svd(small)
        above.append(beta)
        done = number <= len(s) and beta * abs(p[-1, number - 1]) <= TOLERANCE * s[0]
        if done and s[number - 1] > TOLERANCE * s[0]:
            scores = (p[:, number - 1] @ left) * s[number - 1]
            return scores * np.sign(scores[np.abs(scores).argmax()]), float(s[number - 1])
        if min(alpha, beta) <= TOLERANCE * s[0]:
            break
    raise ClbenchError(
        f"principal component {number} of the attribution matrix of {matrix.size} samples cannot "
        "be told from the others; ask for a lower one"
    )


def _against(basis: FloatArray, vector: FloatArray) -> tuple[FloatArray, float]:
    """A vector made orthogonal to the rows of a basis (twice is enough) and of length 1."""
    for _ in range(2):
        vector = vector - basis.T @ (basis @ vector)
    norm = float(np.linalg.norm(vector))
    return vector / (norm or 1.0), norm
