import numpy as np
import pytest

from clbench.metric import NotMeasured
from clbench.metric.transfer import backward_transfer, forward_transfer, intransigence

nan = np.nan
# every version is asked every set, as in a domain-incremental stream
ACCURACY = np.array(
    [
        [0.1, 0.2, 0.3],
        [0.9, 0.4, 0.3],
        [0.7, 0.8, 0.6],
        [0.6, 0.9, 1.0],
    ]
)
LEARNT = np.array([1, 2, 3])


def test_backward_transfer_is_final_minus_just_learnt():
    assert backward_transfer(ACCURACY, LEARNT) == pytest.approx((-0.3 + 0.1) / 2)


def test_forward_transfer_is_just_before_learning_minus_the_start():
    assert forward_transfer(ACCURACY, LEARNT, ACCURACY[0]) == pytest.approx((0.2 + 0.3) / 2)


def test_forward_transfer_needs_answers_on_what_is_to_come():
    accuracy = np.array([[nan, nan], [0.9, nan], [0.5, 0.9]])
    with pytest.raises(NotMeasured, match="version 1 has no output for classes of later updates"):
        forward_transfer(accuracy, np.array([1, 2]), np.zeros(2))


def test_forward_transfer_needs_a_second_update():
    with pytest.raises(NotMeasured, match="after the first update"):
        forward_transfer(np.array([[0.1], [0.9]]), np.array([1]), np.array([0.1]))


def test_intransigence_is_joint_training_minus_the_method_at_the_time_of_learning():
    joint = np.where(np.isnan(ACCURACY), nan, 1.0)
    expected = np.mean([1 - 0.9, 1 - 0.8, 1 - 1.0])
    assert intransigence(ACCURACY, LEARNT, joint) == pytest.approx(expected)
    assert intransigence(ACCURACY, LEARNT, ACCURACY) == 0


def test_intransigence_needs_joint_on_the_same_sets():
    with pytest.raises(NotMeasured, match="joint"):
        intransigence(ACCURACY, LEARNT, ACCURACY[:2])
