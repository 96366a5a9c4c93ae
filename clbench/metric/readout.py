"""What can be read out of a representation by simple means, whatever the model's own head says.

Each readout answers every sample from others: nearest neighbours and class means from all others,
the linear probe from four fifths of them.
`features` are [n, d] of samples with `labels` [n]; a sample whose class has no other one counts as
wrong.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from scipy.linalg import svd

from clbench.errors import ClbenchError
from clbench.metric.base import metric
from clbench.metric.similarity.neighbours import K, nearest_by_cosine
from clbench.metric.similarity.pairs import (
    FloatArray,
    Floats,
    IntArray,
    Unfit,
    centred,
    in_few_dimensions,
)

RIDGES = tuple(10.0**power for power in range(-4, 3))  # of the mean squared singular value
FOLDS = 5
LEAST = 4  # samples


def ridge_accuracy(features: Floats, labels: IntArray) -> float:
    """Accuracy of a linear probe, see `ridge_answers`.

    Direction: higher; range: [0, 1]; paper: arXiv:1610.01644.

    Raises:
        NotMeasured: see `_checked`.
        ClbenchError: labels are not of these samples.
    """
    return float((ridge_answers(features, labels) == labels).mean())


def ridge_answers(features: Floats, labels: IntArray) -> IntArray:
    """Labels [n] by a linear probe: ridge regression to one-hot labels, with an intercept.

    Each fifth of every class is answered by a fit to the other four. Left out one by one, samples
    would be answered below chance: each makes its own class the rarest. The ridge, of seven, is the
    one with the least squared error.

    Raises:
        NotMeasured: see `_checked`.
        ClbenchError: labels are not of these samples.
    """
    x, columns = in_few_dimensions(centred(_checked(features, labels))), _one_hot(labels)
    folds = _folds(columns)
    answers = np.zeros((len(RIDGES), *columns.shape))
    for fold in range(FOLDS):
        out = folds == fold
        answers[:, out] = _fits(x[~out], columns[~out], x[out])
    errors = ((columns - answers) ** 2).sum(axis=(1, 2))
    best = answers[int(errors.argmin())]
    return np.asarray(np.unique(labels)[best.argmax(axis=1)])


def knn_accuracy(features: Floats, labels: IntArray, k: int = K) -> float:
    """Accuracy of the vote of a sample's k nearest by cosine; of equal votes the nearest decides.

    Direction: higher; range: [0, 1]; paper: arXiv:1805.01978.

    Raises:
        NotMeasured: see `_checked`; or there are not more than k samples.
        ClbenchError: labels are not of these samples.
    """
    near = labels[nearest_by_cosine(_checked(features, labels), k)]
    votes = (near[:, :, None] == near[:, None, :]).sum(axis=2)
    winner = np.take_along_axis(near, votes.argmax(axis=1)[:, None], axis=1)[:, 0]
    return float((winner == labels).mean())


def centre_accuracy(features: Floats, labels: IntArray) -> float:
    """Accuracy of the nearest class mean, by Euclidean distance, without the sample itself.

    Direction: higher; range: [0, 1]; paper: arXiv:1611.07725.

    Raises:
        NotMeasured: see `_checked`.
        ClbenchError: labels are not of these samples.
    """
    x, columns = centred(_checked(features, labels)), _one_hot(labels)
    counts = columns.sum(axis=0)
    means = columns.T @ x / counts[:, None]
    squares = np.einsum("nd,nd->n", x, x)
    far = squares[:, None] + np.einsum("cd,cd->c", means, means) - 2 * x @ means.T
    own, rows = columns.argmax(axis=1), np.arange(len(x))
    n = counts[own]
    # a mean without one of its n samples lies n / (n - 1) times as far from that sample
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.where(n > 1, far[rows, own] * (n / (n - 1)) ** 2, np.inf)
    far[rows, own] = moved
    return float((far.argmin(axis=1) == own).mean())


@metric(direction="higher", range=(0, 1), paper="arXiv:1610.01644", costly=True)
def ridge_readout(galleries: Sequence[Floats], gallery_labels: IntArray) -> float:
    """Accuracy of a linear probe on the embeddings of the last version, held out in fifths."""
    return ridge_accuracy(galleries[-1], gallery_labels)


@metric(direction="higher", range=(0, 1), paper="arXiv:1805.01978", costly=True)
def knn10_readout(galleries: Sequence[Floats], gallery_labels: IntArray) -> float:
    """Accuracy of the vote of the 10 nearest embeddings of the last version, leave-one-out."""
    return knn_accuracy(galleries[-1], gallery_labels)


@metric(direction="higher", range=(0, 1), paper="arXiv:1611.07725", costly=True)
def centre_readout(galleries: Sequence[Floats], gallery_labels: IntArray) -> float:
    """Accuracy of the nearest class mean of the last version's embeddings, leave-one-out."""
    return centre_accuracy(galleries[-1], gallery_labels)


def _fits(x: FloatArray, columns: FloatArray, asked: FloatArray) -> FloatArray:
    """[ridges, m, C] what fits to x [n, d] with each ridge answer to m samples."""
    centre, means = x.mean(axis=0), columns.mean(axis=0)
    left, values, right = svd(x - centre, full_matrices=False, check_finite=False)
    inner, turned = left.T @ (columns - means), (asked - centre) @ right.T
    scale = float((values**2).mean()) or 1.0
    shrunk = [values / (values**2 + ridge * scale) for ridge in RIDGES]
    return np.stack([means + (turned * each) @ inner for each in shrunk])


def _folds(columns: FloatArray) -> IntArray:
    """[n] the fold of each sample: those of a class take turns."""
    before = np.cumsum(columns, axis=0) - columns
    return np.asarray((before * columns).sum(axis=1).astype(np.int64) % FOLDS)


def _one_hot(labels: IntArray) -> FloatArray:
    classes, columns = np.unique(labels, return_inverse=True)
    return np.eye(len(classes))[columns]


def _checked(features: Floats, labels: npt.NDArray[np.integer]) -> Floats:
    """The features, of at least 4 samples of 2 classes, all finite and not all the same."""
    if features.ndim != 2 or labels.shape != features.shape[:1]:
        raise ClbenchError(
            f"features [n, d] come with n labels; got shapes {features.shape} and {labels.shape}"
        )
    if len(features) < LEAST or len(np.unique(labels)) < 2:
        raise Unfit(
            f"a readout takes {LEAST} samples of 2 classes; there are {len(features)} of "
            f"{len(np.unique(labels))}"
        )
    if not np.isfinite(features).all():
        raise Unfit("features are not finite: the model diverged")
    if (features == features[:1]).all():
        raise Unfit("the features are the same for all samples: they tell none apart")
    return features
