"""Retrieval between versions, against a search by plain loops and scikit-learn."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.neighbors import NearestNeighbors

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.compatibility import (
    average_compatibility,
    average_multimodel_accuracy,
    compatibility_margin,
    compatibility_matrix,
    retrieval_accuracy,
)

RNG = np.random.default_rng(0)
LABELS = np.repeat(np.arange(4), 25)
CENTRES = np.eye(4, 5)[LABELS] * 3


def by_loops(queries, gallery, labels) -> float:
    found = 0
    for i, q in enumerate(queries):
        cosines = [q @ g / np.linalg.norm(q) / np.linalg.norm(g) for g in gallery]
        others = [j for j in range(len(labels)) if j != i]
        found += labels[max(others, key=lambda j: cosines[j])] == labels[i]
    return found / len(labels)


@given(st.integers(0, 500))
def test_retrieval_agrees_with_a_search_by_loops(seed):
    rng = np.random.default_rng(seed)
    queries, gallery = rng.normal(size=(2, 12, 3))
    labels = rng.integers(0, 3, 12)
    assert retrieval_accuracy(queries, gallery, labels) == by_loops(queries, gallery, labels)


def test_on_its_own_gallery_it_is_leave_one_out_nearest_neighbour():
    x = CENTRES + RNG.normal(size=CENTRES.shape)
    search = NearestNeighbors(n_neighbors=2, metric="cosine").fit(x)
    second = search.kneighbors(x, return_distance=False)[:, 1]  # the first is the sample itself
    assert retrieval_accuracy(x, x, LABELS) == np.mean(LABELS[second] == LABELS)


def test_a_query_does_not_find_its_own_sample():
    """With it any injective map has accuracy 1, on labels that mean nothing."""
    x, labels = RNG.normal(size=(400, 8)), RNG.integers(0, 10, 400)
    assert retrieval_accuracy(x, x, labels) == pytest.approx(0.1, abs=0.05)


def test_by_cosine_lengths_do_not_count():
    queries, gallery = CENTRES + RNG.normal(size=CENTRES.shape), CENTRES + 0.1
    scales = RNG.uniform(0.1, 10, size=(len(LABELS), 1))
    plain = retrieval_accuracy(queries, gallery, LABELS)
    assert retrieval_accuracy(queries * scales, gallery / scales, LABELS) == plain


def versions(*quality: float, turn: bool = False):
    """Embeddings of the centres under noise; with `turn`, each in axes of its own."""
    rng = np.random.default_rng(3)
    found = [rng.normal(size=CENTRES.shape)]  # version 0 has learnt nothing
    for noise in quality:
        axes = np.linalg.qr(rng.normal(size=(5, 5)))[0] if turn else np.eye(5)
        found.append((CENTRES + noise * rng.normal(size=CENTRES.shape)) @ axes)
    return found


def test_the_matrix_is_of_queries_by_galleries_that_are_not_newer():
    galleries = versions(1.5, 1.0, 0.5)
    matrix = compatibility_matrix(galleries, LABELS)
    for i in range(3):
        for j in range(3):
            if j > i:
                assert np.isnan(matrix[i, j])
            else:
                expected = by_loops(galleries[i + 1], galleries[j + 1], LABELS)
                assert matrix[i, j] == expected


def test_scores_are_the_sums_of_their_papers():
    galleries = versions(1.5, 1.0, 0.5)
    c = compatibility_matrix(galleries, LABELS)
    pairs = [(i, j) for i in range(3) for j in range(i)]
    ac = 2 / (3 * 2) * sum(c[i, j] > c[j, j] for i, j in pairs)
    am = 2 / (3 * 4) * sum(c[i, j] for i in range(3) for j in range(i + 1))
    assert average_compatibility(c) == pytest.approx(ac)
    assert average_multimodel_accuracy(c) == pytest.approx(am)
    margin = sum(c[i, j] - c[j, j] for i, j in pairs) / 3
    assert compatibility_margin(c) == pytest.approx(margin)


def test_better_versions_in_the_same_axes_are_compatible_and_in_other_axes_are_not():
    assert average_compatibility(compatibility_matrix(versions(2.0, 1.0, 0.3), LABELS)) == 1
    turned = compatibility_matrix(versions(2.0, 1.0, 0.3, turn=True), LABELS)
    assert average_compatibility(turned) == 0
    assert compatibility_margin(turned) < -0.2


def test_to_be_as_good_is_not_to_be_better():
    """The comparison is strict: a model that stays is not compatible with itself."""
    untrained, model = versions(1.0)
    matrix = compatibility_matrix([untrained, model, model], LABELS)
    assert average_compatibility(matrix) == compatibility_margin(matrix) == 0


def test_a_true_zero_is_a_zero():
    """Public code takes an accuracy of 0 for one that is missing."""
    apart = np.eye(4)[[0, 1, 0, 1]]
    labels = np.array([0, 0, 1, 1])
    matrix = compatibility_matrix([apart, apart, apart], labels)
    assert matrix.tolist()[1] == [0, 0]
    assert average_multimodel_accuracy(matrix) == 0


def test_what_cannot_be_searched():
    x = np.ones((4, 2))
    labels = np.array([0, 0, 1, 1])
    with pytest.raises(NotMeasured, match="models of 2 and of 3 features cannot search each other"):
        compatibility_matrix([x, x, np.ones((4, 3))], labels)
    with pytest.raises(NotMeasured, match="no class has two samples"):
        retrieval_accuracy(x, x, np.arange(4))
    with pytest.raises(NotMeasured, match="take two updates"):
        compatibility_matrix([x, x], labels)
    with pytest.raises(NotMeasured, match="between 21 versions is left out; 20 at most"):
        compatibility_matrix([x] * 22, labels)
    with pytest.raises(ClbenchError, match="of the same samples"):
        retrieval_accuracy(x, x[:3], labels)


def test_galleries_are_samples_and_not_class_means():
    """Public code searches templates, the means of classes: that is classification."""
    x = np.array([[1.0, 0.0], [0.8, -0.6], [-1.0, 0.0], [-0.8, -0.6], [0.0, 1.0], [0.6, 0.8]])
    labels = np.array([0, 1, 0, 1, 0, 1])
    means = np.stack([x[labels == c].mean(axis=0) for c in (0, 1)])
    by_means = np.mean((x @ means.T / np.linalg.norm(means, axis=1)).argmax(axis=1) == labels)
    assert retrieval_accuracy(x, x, labels) == by_loops(x, x, labels) == 0
    assert by_means > 0.5


def test_cosine_divides_by_euclidean_lengths():
    """Public code divides by sums of absolute values, which finds other neighbours."""
    x, labels = np.array([[1.0, 0.5], [1.0, 0.0], [0.8, 0.6]]), np.array([0, 1, 0])
    by_sums = x @ (x / np.abs(x).sum(axis=1, keepdims=True)).T
    np.fill_diagonal(by_sums, -np.inf)
    assert np.mean(labels[by_sums.argmax(axis=1)] == labels) == 0
    assert retrieval_accuracy(x, x, labels) == by_loops(x, x, labels) == 2 / 3
