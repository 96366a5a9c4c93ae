"""Readouts against loops that leave out one sample after the other."""

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.linear_model import Ridge
from sklearn.model_selection import LeaveOneOut, PredefinedSplit, cross_val_predict
from sklearn.neighbors import NearestCentroid, NearestNeighbors

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.readout import (
    RIDGES,
    centre_accuracy,
    centre_readout,
    knn10_readout,
    knn_accuracy,
    ridge_accuracy,
    ridge_readout,
)

ACCURACIES = (ridge_accuracy, knn_accuracy, centre_accuracy)


@pytest.fixture(scope="module")
def digits():
    x, y = load_digits(return_X_y=True)
    return x[:150] + 0.01 * np.random.default_rng(0).normal(size=(150, 64)), y[:150]


def test_the_ridge_is_fitted_without_the_fifth_that_it_answers(digits):
    x, y = digits
    turn = np.array([list(y[:i]).count(label) for i, label in enumerate(y)]) % 5
    folds = PredefinedSplit(turn)
    one_hot = np.eye(10)[y]
    answers = np.zeros((len(RIDGES), 150, 10))
    for train, test in folds.split():
        centred = x[train] - x[train].mean(axis=0)
        scale = (np.linalg.svd(centred)[1] ** 2).mean()
        for i, ridge in enumerate(RIDGES):
            fit = Ridge(alpha=ridge * scale).fit(x[train], one_hot[train])
            answers[i, test] = fit.predict(x[test])
    best = min(answers, key=lambda fit: ((fit - one_hot) ** 2).sum())
    assert ridge_accuracy(x, y) == pytest.approx((best.argmax(axis=1) == y).mean())
    assert ridge_accuracy(x, y) > 0.8


def test_the_centre_is_the_mean_of_the_others(digits):
    expected = cross_val_predict(NearestCentroid(), *digits, cv=LeaveOneOut())
    assert centre_accuracy(*digits) == pytest.approx((expected == digits[1]).mean())


@pytest.mark.parametrize("k", [1, 5, 10])
def test_neighbours_vote_and_the_nearest_decides_a_tie(digits, k):
    x, y = digits
    near = NearestNeighbors(n_neighbors=k + 1, metric="cosine").fit(x).kneighbors(x)[1][:, 1:]
    right = 0
    for own, ids in zip(y, near, strict=True):
        votes = [list(y[ids]).count(label) for label in y[ids]]
        right += y[ids][int(np.argmax(votes))] == own
    assert knn_accuracy(x, y, k) == pytest.approx(right / len(x))


@pytest.mark.parametrize("readout", ACCURACIES)
def test_labels_that_have_nothing_to_do_with_the_features_are_at_chance(readout):
    rng = np.random.default_rng(1)
    found = [readout(rng.normal(size=(100, 200)), np.arange(100) % 4) for _ in range(6)]
    assert np.mean(found) == pytest.approx(0.25, abs=0.1)


@pytest.mark.parametrize("readout", ACCURACIES)
def test_classes_that_lie_apart_are_read_out(readout):
    rng, y = np.random.default_rng(1), np.arange(60) % 3
    assert readout(np.eye(3)[y] * 20 + rng.normal(size=(60, 3)) + 5, y) == 1


@pytest.mark.parametrize("readout", ACCURACIES)
def test_a_class_of_one_sample_cannot_be_known(readout):
    rng, y = np.random.default_rng(1), np.array([9, *(np.arange(60) % 3)])
    x = np.vstack([[[0, 0, -50]], np.eye(3)[y[1:]] * 20 + rng.normal(size=(60, 3))])
    assert readout(x, y) == pytest.approx(60 / 61)


@pytest.mark.parametrize("readout", ACCURACIES)
def test_what_cannot_be_read_out_is_told(readout):
    x, y = np.random.default_rng(0).normal(size=(20, 3)), np.arange(20) % 2
    for features, labels, said in (
        (x[:3], y[:3], "takes 4 samples of 2 classes; there are 3 of 2"),
        (x, 0 * y, "there are 20 of 1"),
        (np.full_like(x, np.nan), y, "not finite"),
        (np.ones_like(x), y, "the same for all samples"),
    ):
        with pytest.raises(NotMeasured, match=said):
            readout(features, labels)
    with pytest.raises(ClbenchError, match=r"\(20, 3\) and \(19,\)"):
        readout(x, y[1:])


def test_runs_are_read_out_of_their_last_version(digits):
    x, y = digits
    run = [np.zeros_like(x), np.zeros_like(x), x]
    assert ridge_readout(run, y) == ridge_accuracy(x, y)
    assert knn10_readout(run, y) == knn_accuracy(x, y)
    assert centre_readout(run, y) == centre_accuracy(x, y)
