"""What unlearning changed inside: embeddings beside those of oracles and of the model before.

An edit of the head leaves embeddings as they were, and with them all that was to be forgotten; its
answers may look retrained all the same. `embeddings` are [N] of [n, d], of the same n test samples
by each model, those of `oracle_embeddings` by oracle i and of `original_embeddings` by model i
before it was to forget. Oracles are no nearer to each other than their seeds let them be: what to
reach is the null. Numbers of k-NN are adjusted for chance: 0 is chance, 1 the same neighbours.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured
from clbench.metric.drift import knn_beyond_chance
from clbench.metric.group import group_metric
from clbench.metric.readout import ridge_answers
from clbench.metric.similarity.cka import linear_cka
from clbench.metric.similarity.pairs import Floats, IntArray, Similarity
from clbench.metric.similarity.procrustes import procrustes_distance

Galleries = Sequence[Floats]


@group_metric(
    direction="higher", range=(-1, 1), paper="arXiv:1905.00414", unit="ratio", costly=True
)
def oracle_cka(embeddings: Galleries, oracle_embeddings: Galleries) -> float:
    """Debiased linear CKA of embeddings with those of an oracle, mean over pairs of models."""
    return _paired(linear_cka, embeddings, oracle_embeddings)


@group_metric(direction="lower", range=(0, 2), paper="arXiv:2108.01661", unit="ratio", costly=True)
def oracle_procrustes(embeddings: Galleries, oracle_embeddings: Galleries) -> float:
    """Squared Procrustes distance of embeddings from those of an oracle, mean over pairs."""
    return _paired(procrustes_distance, embeddings, oracle_embeddings)


@group_metric(
    direction="higher", range=(-1, 1), paper="arXiv:2305.06329", unit="ratio", costly=True
)
def oracle_knn10_jaccard(embeddings: Galleries, oracle_embeddings: Galleries) -> float:
    """Overlap of 10 nearest neighbours with those of an oracle, beyond chance, mean over pairs."""
    return _paired(knn_beyond_chance, embeddings, oracle_embeddings)


@group_metric(
    direction="neither", range=(-1, 1), paper="arXiv:1905.00414", unit="ratio", costly=True
)
def original_cka(embeddings: Galleries, original_embeddings: Galleries) -> float:
    """Debiased linear CKA of embeddings with those before forgetting, mean over models.

    1 where nothing moved inside, as after an edit of the head. Its null is the same of oracles.
    """
    return _paired(linear_cka, embeddings, original_embeddings)


@group_metric(
    direction="neither", range=(-1, 1), paper="arXiv:2305.06329", unit="ratio", costly=True
)
def original_knn10_jaccard(embeddings: Galleries, original_embeddings: Galleries) -> float:
    """Overlap of 10 nearest neighbours with those before forgetting, beyond chance."""
    return _paired(knn_beyond_chance, embeddings, original_embeddings)


@group_metric(direction="neither", range=(0, 1), paper="arXiv:1610.01644", costly=True)
def forgotten_readout(
    embeddings: Galleries, embedded_labels: IntArray, embedded_forgotten: npt.NDArray[np.bool_]
) -> float:
    """Share of test samples of forgotten classes that a linear probe of embeddings answers right.

    Mean over models. A head that was edited does not hide them; features that never saw a class may
    tell it apart as well, so what to compare with are oracles.
    """
    if not embedded_forgotten.any():
        raise NotMeasured("no sample of a forgotten class is among those whose embeddings are kept")
    wanted = embedded_labels[embedded_forgotten]
    answers = (ridge_answers(each, embedded_labels)[embedded_forgotten] for each in embeddings)
    return float(np.mean([(found == wanted).mean() for found in answers]))


def _paired(similarity: Similarity, first: Galleries, second: Galleries) -> float:
    return float(np.mean([similarity(*pair) for pair in zip(first, second, strict=False)]))
