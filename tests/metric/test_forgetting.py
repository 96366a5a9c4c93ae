import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.metric import NotMeasured
from clbench.metric.forgetting import (
    forgetting_from_first,
    forgetting_from_peak,
    forgetting_worst,
)
from clbench.metric.transfer import backward_transfer

nan = np.nan
# class-incremental: set e is first asked of version e + 1, which has just learnt it
ACCURACY = np.array(
    [
        [nan, nan, nan],
        [0.8, nan, nan],
        [0.9, 0.7, nan],
        [0.5, 0.6, 1.0],
    ]
)
LEARNT = np.array([1, 2, 3])


def test_from_peak_takes_the_best_earlier_accuracy():
    assert forgetting_from_peak(ACCURACY, LEARNT) == pytest.approx((0.4 + 0.1) / 2)
    assert forgetting_worst(ACCURACY, LEARNT) == pytest.approx(0.4)


def test_from_first_takes_the_accuracy_just_after_learning():
    assert forgetting_from_first(ACCURACY, LEARNT) == pytest.approx((0.3 + 0.1) / 2)


def test_the_final_version_is_no_peak_so_that_a_gain_is_negative():
    accuracy = np.array([[nan, nan], [0.5, nan], [0.8, 1.0]])
    assert forgetting_from_peak(accuracy, np.array([1, 2])) == pytest.approx(-0.3)


def test_the_set_before_the_newest_counts():
    # a public implementation leaves out the two newest sets
    accuracy = np.array([[nan, nan], [1.0, nan], [0.0, 1.0]])
    assert forgetting_from_peak(accuracy, np.array([1, 2])) == 1


def test_what_was_not_asked_is_not_an_accuracy_of_0():
    # a public implementation pads with 0, which hides a loss below 0
    accuracy = np.array([[nan, nan], [nan, nan], [0.25, nan], [0.5, 1.0]])
    assert forgetting_from_peak(accuracy, np.array([2, 3])) == -0.25


def test_the_accuracies_are_not_changed():
    accuracy = ACCURACY.copy()
    for metric in (forgetting_from_peak, forgetting_from_first, forgetting_worst):
        metric(accuracy, LEARNT)
    np.testing.assert_array_equal(accuracy, ACCURACY)


@pytest.mark.parametrize(
    "metric", [forgetting_from_peak, forgetting_from_first, forgetting_worst, backward_transfer]
)
def test_one_update_forgets_nothing_that_could_be_measured(metric):
    with pytest.raises(NotMeasured, match="before the last update"):
        metric(np.array([[nan], [0.9]]), np.array([1]))


def test_a_set_that_was_not_asked_in_time_is_not_measured():
    accuracy, learnt = np.array([[nan], [nan], [0.5]]), np.array([1])
    for metric in (forgetting_from_peak, forgetting_from_first):
        with pytest.raises(NotMeasured, match="not asked"):
            metric(accuracy, learnt)


@st.composite
def runs(draw):
    sets = draw(st.integers(2, 6))
    values = st.floats(0, 1, allow_subnormal=False)
    accuracy = np.full((sets + 1, sets), nan)
    for version in range(1, sets + 1):
        row = draw(st.lists(values, min_size=version, max_size=version))
        accuracy[version, :version] = row
    return accuracy, np.arange(1, sets + 1)


@given(runs())
def test_agreement_with_the_formulas_of_the_papers(run):
    accuracy, learnt = run
    sets = len(learnt)
    final = accuracy[sets]
    peak = [max(accuracy[v, e] for v in range(e + 1, sets)) - final[e] for e in range(sets - 1)]
    first = [accuracy[e + 1, e] - final[e] for e in range(sets - 1)]
    assert forgetting_from_peak(accuracy, learnt) == pytest.approx(sum(peak) / len(peak))
    assert forgetting_worst(accuracy, learnt) == pytest.approx(max(peak))
    assert forgetting_from_first(accuracy, learnt) == pytest.approx(sum(first) / len(first))


@given(runs())
def test_forgetting_from_first_is_minus_backward_transfer(run):
    assert forgetting_from_first(*run) == pytest.approx(-backward_transfer(*run))


@given(runs())
def test_forgetting_from_peak_is_never_below_that_from_first(run):
    assert forgetting_from_peak(*run) >= forgetting_from_first(*run) - 1e-12
