"""How far the inside of a model moved while it was updated: versions against the last one.

Accuracy may fall because the head moved, which a new head repairs, or because embeddings did.
`galleries` is [V] of [n, d_v], embeddings of the same n test samples by all versions, the first of
them before any update; `gallery_learnt` [n] is the first version that has learnt each sample.
Looking back, version v is compared on what it had learnt by then; looking forward, on what was yet
to come. Numbers of k-NN are adjusted for chance, which depends on n: 0 is chance, 1 the same.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric
from clbench.metric.similarity.cka import linear_cka
from clbench.metric.similarity.neighbours import K, jaccard_chance, knn_jaccard
from clbench.metric.similarity.pairs import Floats, IntArray, Similarity
from clbench.metric.similarity.procrustes import procrustes_distance

Galleries = Sequence[Floats]
Chosen = Callable[[IntArray, int], npt.NDArray[np.bool_]]


@metric(direction="higher", range=(-1, 1), paper="arXiv:1905.00414", unit="ratio", costly=True)
def backward_cka(galleries: Galleries, gallery_learnt: IntArray) -> float:
    """Debiased linear CKA with the last version on what was learnt by then, mean over versions."""
    return _mean(linear_cka, galleries, gallery_learnt, _learnt)


@metric(direction="lower", range=(0, 2), paper="arXiv:2108.01661", unit="ratio", costly=True)
def backward_procrustes(galleries: Galleries, gallery_learnt: IntArray) -> float:
    """Procrustes distance from the last version on what was learnt by then, mean over versions."""
    return _mean(procrustes_distance, galleries, gallery_learnt, _learnt)


@metric(direction="higher", range=(-1, 1), paper="arXiv:2305.06329", unit="ratio", costly=True)
def backward_knn10_jaccard(galleries: Galleries, gallery_learnt: IntArray) -> float:
    """Overlap of 10 nearest neighbours with the last version's, beyond chance, on what was learnt.

    Mean over versions of (k-NN Jaccard - chance) / (1 - chance).
    """
    return _mean(knn_beyond_chance, galleries, gallery_learnt, _learnt)


@metric(direction="higher", range=(-1, 1), paper="arXiv:1905.00414", unit="ratio", costly=True)
def forward_cka(galleries: Galleries, gallery_learnt: IntArray) -> float:
    """Debiased linear CKA with the last version on what was yet to come, mean over versions.

    High where what is to be learnt finds its representation in place.
    """
    return _mean(linear_cka, galleries, gallery_learnt, _to_come)


@metric(direction="higher", range=(-1, 1), paper="arXiv:2305.06329", unit="ratio", costly=True)
def forward_knn10_jaccard(galleries: Galleries, gallery_learnt: IntArray) -> float:
    """Overlap of 10 nearest neighbours with the last version's, beyond chance, on what was to come.

    Mean over versions of (k-NN Jaccard - chance) / (1 - chance).
    """
    return _mean(knn_beyond_chance, galleries, gallery_learnt, _to_come)


def knn_beyond_chance(first: Floats, second: Floats) -> float:
    """k-NN Jaccard with k = 10, so that 0 is chance: (J - chance) / (1 - chance).

    Raises:
        Unfit: as `knn_jaccard`; or all samples are neighbours, and none can differ.
    """
    found, chance = knn_jaccard(first, second), jaccard_chance(len(first), K)
    if chance > 1 - 1e-9:
        raise NotMeasured(f"each of {len(first)} samples has all others among its {K} nearest")
    return (found - chance) / (1 - chance)


def _learnt(learnt: IntArray, version: int) -> npt.NDArray[np.bool_]:
    return np.asarray(learnt <= version)


def _to_come(learnt: IntArray, version: int) -> npt.NDArray[np.bool_]:
    return np.asarray(learnt > version)


def _mean(similarity: Similarity, galleries: Galleries, learnt: IntArray, chosen: Chosen) -> float:
    """The mean over the versions between the first and the last."""
    if len(galleries) < 3:
        raise NotMeasured("a model that moves takes two updates or more")
    return float(np.mean(list(_each(similarity, galleries, learnt, chosen))))


def _each(
    similarity: Similarity, galleries: Galleries, learnt: IntArray, chosen: Chosen
) -> Iterator[float]:
    for version, embeddings in enumerate(galleries[1:-1], start=1):
        rows = chosen(learnt, version)
        yield similarity(embeddings[rows], galleries[-1][rows])
