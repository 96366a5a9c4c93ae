import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import log_loss

from clbench.metric import NotMeasured
from clbench.metric.calibration import expected_calibration_error, negative_log_likelihood

answers = st.lists(st.tuples(st.floats(0.001, 1), st.booleans()), min_size=1, max_size=50)


@given(answers)
def test_it_agrees_with_the_sum_over_bins_of_the_paper(rows):
    confidence, correct = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    expected = 0.0
    bins = np.ceil(confidence * 15)  # bin b is ((b - 1) / 15, b / 15]
    for b in range(1, 16):
        inside = bins == b
        if inside.any():
            gap = abs(correct[inside].mean() - confidence[inside].mean())
            expected += inside.mean() * gap
    assert expected_calibration_error(confidence, [correct]) == pytest.approx(expected)


def test_a_sure_model_that_is_right_is_calibrated_and_one_that_is_wrong_is_not():
    sure = np.ones(4)
    assert expected_calibration_error(sure, [np.ones(4, dtype=bool)]) == 0
    assert expected_calibration_error(sure, [np.zeros(4, dtype=bool)]) == 1


def test_bins_include_their_upper_edge():
    # 1/15 belongs to the first bin with 0.03, where the gaps cancel: |1 - 1/15 - 0.03| / 2
    confidence, correct = np.array([1 / 15, 0.03]), [np.array([True, False])]
    expected = abs(1 - 1 / 15 - 0.03) / 2
    assert expected_calibration_error(confidence, correct) == pytest.approx(expected)


def test_only_the_last_version_counts():
    versions = [np.zeros(1, dtype=bool), np.ones(2, dtype=bool)]
    assert expected_calibration_error(np.ones(2), versions) == 0


def test_negative_log_likelihood_agrees_with_scikit_learn():
    p = np.array([[0.7, 0.2, 0.1], [0.1, 0.6, 0.3]])
    labels = np.array([0, 2])
    nll = -np.log(p[np.arange(2), labels])
    assert negative_log_likelihood(nll) == pytest.approx(log_loss(labels, p, labels=[0, 1, 2]))


def test_nothing_asked_is_not_measured():
    with pytest.raises(NotMeasured):
        expected_calibration_error(np.zeros(0), [np.zeros(0, dtype=bool)])
    with pytest.raises(NotMeasured):
        negative_log_likelihood(np.zeros(0))
