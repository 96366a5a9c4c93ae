"""Whether a newer model's queries can search an older model's gallery, without embedding it anew.

C[i, j] is the accuracy of retrieval with queries of version i in the gallery of version j <= i
(Shen et al. 2020, arXiv:2003.11942; Biondi et al. 2023, arXiv:2211.09032): the nearest embedding by
cosine, that of the query's own sample left out, is of the query's class. The diagonal is each
version by itself. Galleries are embeddings of samples; the public code of arXiv:2405.02581 has
class means there, which is classification.

Metrics are handed the matrix, `compatibility` [T, T], NaN for j > i, T being the number of updates.
"""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured, metric

AnyFloats = npt.NDArray[np.floating]
FloatArray = npt.NDArray[np.float64]
Directions = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.integer]

MOST = 20  # updates: 210 searches, a second or so


def retrieval_accuracy(queries: AnyFloats, gallery: AnyFloats, labels: IntArray) -> float:
    """Share of samples whose nearest other sample in the gallery is of their class (recall at 1).

    `queries` and `gallery` are [n, d], embeddings of the same samples, with `labels` [n]. A sample
    that is alone in its class counts as not found. Of equally near ones the first counts.
    Direction: higher; range: [0, 1]; paper: arXiv:2003.11942.

    Raises:
        NotMeasured: the widths differ, or no class has two samples.
        ClbenchError: they are not of the same samples.
    """
    _check(queries, gallery, labels)
    return _found(_directions(queries), _directions(gallery), labels)


def compatibility_matrix(galleries: Sequence[AnyFloats], labels: IntArray) -> FloatArray:
    """Retrieval accuracy [T, T] of queries of version i + 1 in the gallery of version j + 1.

    `galleries` is [T + 1] of [n, d_v], embeddings by all versions of the same n samples with
    `labels` [n]; the first, before any update, is left out. NaN for j > i.

    Raises:
        NotMeasured: as `retrieval_accuracy`, or there are fewer than two updates or more than 20.
        ClbenchError: as `retrieval_accuracy`.
    """
    trained = galleries[1:]
    if len(trained) < 2:
        raise NotMeasured("a newer model and an older one take two updates or more")
    if len(trained) > MOST:
        raise NotMeasured(f"retrieval between {len(trained)} versions is left out; {MOST} at most")
    for newer, older in pairwise(trained):
        _check(newer, older, labels)
    sides = [_directions(each) for each in trained]
    matrix = np.full((len(sides), len(sides)), np.nan)
    for i, queries in enumerate(sides):
        for j, gallery in enumerate(sides[: i + 1]):
            matrix[i, j] = _found(queries, gallery, labels)
    return matrix


@metric(direction="higher", range=(0, 1), paper="arXiv:2211.09032")
def average_compatibility(compatibility: FloatArray) -> float:
    """Share of pairs of versions whose newer queries beat the older model on its gallery (AC).

    2 / (T (T - 1)) sum_{j < i} [C_ij > C_jj]. A step function: see `compatibility_margin`.
    """
    return float((_margins(compatibility) > 0).mean())


@metric(direction="higher", range=(-1, 1), paper="arXiv:2003.11942")
def compatibility_margin(compatibility: FloatArray) -> float:
    """Mean over pairs of versions by how much newer queries beat the older ones on their gallery.

    2 / (T (T - 1)) sum_{j < i} (C_ij - C_jj).
    """
    return float(_margins(compatibility).mean())


@metric(direction="higher", range=(0, 1), paper="arXiv:2405.02581")
def average_multimodel_accuracy(compatibility: FloatArray) -> float:
    """Mean retrieval accuracy over all pairs of a version and one not newer (AM).

    2 / (T (T + 1)) sum_{j <= i} C_ij, each version on its own gallery included.
    """
    return float(np.nanmean(compatibility))


def _margins(compatibility: FloatArray) -> FloatArray:
    """C_ij - C_jj for all j < i."""
    newer, older = np.tril_indices(len(compatibility), -1)
    return np.asarray(compatibility[newer, older] - compatibility[older, older])


def _check(queries: AnyFloats, gallery: AnyFloats, labels: IntArray) -> None:
    if queries.ndim != 2 or gallery.ndim != 2 or not len(queries) == len(gallery) == len(labels):
        raise ClbenchError(
            "queries [n, d] search a gallery [n, d] of the same samples with labels [n]; got "
            f"{queries.shape}, {gallery.shape} and {labels.shape}"
        )
    if queries.shape[1] != gallery.shape[1]:
        widths = sorted({queries.shape[1], gallery.shape[1]})
        raise NotMeasured(
            f"models of {widths[0]} and of {widths[1]} features cannot search each other's gallery"
        )
    if len(np.unique(labels)) == len(labels):
        raise NotMeasured("no class has two samples among those whose embeddings are recorded")


def _found(queries: Directions, gallery: Directions, labels: IntArray) -> float:
    near = queries @ gallery.T
    np.fill_diagonal(near, -np.inf)
    return float((labels[near.argmax(axis=1)] == labels).mean())


def _directions(values: AnyFloats) -> Directions:
    """Of length 1, in float32: the same neighbours in half of the time."""
    wide = values.astype(np.float64)
    lengths = np.linalg.norm(wide, axis=1, keepdims=True)
    directions = wide / np.where(lengths > 0, lengths, 1)  # what is 0 is near to nothing
    return directions.astype(np.float32)
