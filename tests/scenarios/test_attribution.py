"""Attributions of the ridge head are what refitting without each sample gives."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench_scenarios.attribution import RidgeHead, _Centred, features_of
from clbench_scenarios.components import FloatArray, principal_component
from clbench_scenarios.entanglement import entanglement
from small import source

SOURCE = source(classes=3, per_class=12)
CLASSES = 3


@pytest.fixture(scope="module")
def head() -> RidgeHead:
    return RidgeHead(features_of(SOURCE.train.x), SOURCE.train.y, ridge=1e-2)


@pytest.fixture(scope="module")
def refits(head: RidgeHead) -> FloatArray:
    """[n, n, C]: outputs at every sample j of the head that was fitted anew without sample i."""
    return np.stack([outputs(head, np.delete(np.arange(len(head.x)), i)) for i in range(36)])


def outputs(head: RidgeHead, kept: np.ndarray) -> FloatArray:
    """[n, C] of an ordinary ridge fit to some samples, with the penalty of the whole."""
    x, y = head.x[kept], np.eye(CLASSES)[head.y[kept]]
    gram = x.T @ x + len(head.x) * head.ridge * np.eye(x.shape[1])
    return head.x @ np.linalg.inv(gram) @ x.T @ y


def own(head: RidgeHead, table: FloatArray) -> FloatArray:
    """[..., n] outputs of each sample's own label, of [..., n, C]."""
    return table[..., np.arange(len(head.y)), head.y]


def test_features_are_centred_vectors_of_mean_squared_norm_one_and_ones() -> None:
    x = features_of(np.arange(24, dtype=np.uint8).reshape(3, 2, 2, 2))
    assert x.shape == (3, 9)
    np.testing.assert_allclose(x[:, :-1].mean(axis=0), 0, atol=1e-12)
    np.testing.assert_allclose((x[:, :-1] ** 2).sum(axis=1).mean(), 1)
    np.testing.assert_array_equal(x[:, -1], 1)


def test_samples_that_are_all_alike_have_no_features_but_the_ones() -> None:
    x = features_of(np.full((4, 2), 7, dtype=np.float32))
    np.testing.assert_array_equal(x, np.array([[0.0, 0.0, 1.0]] * 4))


def test_the_attribution_matrix_is_that_of_refits(head: RidgeHead, refits: FloatArray) -> None:
    np.testing.assert_allclose(
        head.attribution(), own(head, head.outputs) - own(head, refits), atol=1e-12
    )


def test_memorisation_is_what_a_sample_adds_at_itself(head: RidgeHead, refits: FloatArray) -> None:
    without = own(head, refits)[np.arange(36), np.arange(36)]
    np.testing.assert_allclose(head.memorisation, own(head, head.outputs) - without, atol=1e-12)


def test_influence_is_on_the_others_alone(head: RidgeHead, refits: FloatArray) -> None:
    moved = np.abs(own(head, head.outputs) - own(head, refits))
    np.fill_diagonal(moved, 0)
    np.testing.assert_allclose(head.influence, moved.sum(axis=1), atol=1e-12)


def test_confusion_is_of_heads_that_did_not_see_the_sample(
    head: RidgeHead, refits: FloatArray
) -> None:
    counts = np.zeros((CLASSES, CLASSES))
    for i in range(36):
        counts[head.y[i], refits[i, i].argmax()] += 1 / 12
    np.fill_diagonal(counts, 0)
    np.testing.assert_allclose(head.confused(CLASSES), counts)


def test_a_wrong_label_has_to_be_memorised(head: RidgeHead) -> None:
    y = SOURCE.train.y.copy()
    y[0] = 2
    assert RidgeHead(head.x, y, head.ridge).memorisation[0] > head.memorisation[0]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_components_are_those_of_a_singular_value_decomposition(
    head: RidgeHead, number: int
) -> None:
    matrix = head.attribution() - head.attribution().mean(axis=0)
    u, s, _ = np.linalg.svd(matrix)
    expected = u[:, number - 1] * s[number - 1]
    found, size = principal_component(_Centred(head), number)
    np.testing.assert_allclose(size, s[number - 1], rtol=1e-9)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-8 * s[0])
    assert found[np.abs(found).argmax()] > 0


def test_a_component_that_is_not_there_is_refused(head: RidgeHead) -> None:
    with pytest.raises(ClbenchError, match=r"component 36 of the attribution matrix of 36 samples"):
        head.component(36)


class TestEntanglement:
    def test_of_two_points_each(self) -> None:
        """S = {0, 2}, R = {4, 6}: variances 1 + 1, means 1 and 5 lie 2 from that of all, 3."""
        embeddings = np.array([[0.0], [2.0], [4.0], [6.0]])
        assert entanglement(embeddings, np.array([True, True, False, False])) == pytest.approx(0.5)

    def test_it_is_large_where_both_have_one_mean(self) -> None:
        embeddings = np.random.default_rng(0).standard_normal((400, 3))
        mixed = np.arange(400) % 2 == 0
        apart = embeddings[:, 0] > 0
        assert entanglement(embeddings, mixed) > 10 * entanglement(embeddings, apart)
