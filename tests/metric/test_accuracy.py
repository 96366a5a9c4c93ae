import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import accuracy_score

from clbench.metric import NotMeasured
from clbench.metric.accuracy import (
    average_accuracy,
    average_incremental_accuracy,
    final_accuracy,
    learning_accuracy,
)

nan = np.nan
ACCURACY = np.array([[nan, nan], [1.0, nan], [0.5, 0.9]])


def bools(*versions):
    return [np.array(each, dtype=bool) for each in versions]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1))
def test_final_accuracy_agrees_with_scikit_learn(rows):
    labels, predicted = np.array(rows).T
    found = final_accuracy([labels == predicted])
    assert found == pytest.approx(accuracy_score(labels, predicted))


def test_final_accuracy_weighs_samples_and_average_accuracy_weighs_sets():
    # 9 samples all right, 1 sample wrong: a mean over sets, as over batches, is another number
    assert final_accuracy(bools([1] * 9 + [0])) == 0.9
    assert average_accuracy(np.array([[1.0, 0.0]])) == 0.5


def test_learning_accuracy_is_the_mean_of_the_accuracies_just_after_learning():
    assert learning_accuracy(ACCURACY, np.array([1, 2])) == pytest.approx(0.95)


def test_average_incremental_accuracy_is_over_the_versions_that_have_learnt():
    correct = bools([], [1, 0], [1, 1, 1, 0])
    known = bools([], [1, 1], [1, 1, 1, 1])
    assert average_incremental_accuracy(correct, known) == pytest.approx((0.5 + 0.75) / 2)


def test_average_incremental_accuracy_leaves_out_what_is_not_learnt_yet():
    correct, known = bools([0, 0], [1, 0], [1, 1]), bools([0, 0], [1, 0], [1, 1])
    assert average_incremental_accuracy(correct, known) == 1


def test_without_questions_there_is_no_accuracy():
    with pytest.raises(NotMeasured):
        final_accuracy(bools([]))
    with pytest.raises(NotMeasured):
        average_incremental_accuracy(bools([], []), bools([], []))
    with pytest.raises(NotMeasured):
        average_accuracy(ACCURACY[:2])
    with pytest.raises(NotMeasured):
        learning_accuracy(ACCURACY, np.array([1, 1]))
