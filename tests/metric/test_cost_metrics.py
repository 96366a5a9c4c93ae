import numpy as np
import pytest

from clbench.metric import NotMeasured
from clbench.metric.cost import (
    learn_flops,
    learn_seconds,
    passes,
    peak_memory_bytes,
    samples_seen,
    samples_skipped,
    state_bytes,
    state_bytes_peak,
)
from clbench.reading import Clock, Cost


def costs(**fields):
    rest = {"flops_learn": 0, "flops_predict": 7, "state_bytes": 0, "state_parts": {}}
    rest |= {"samples_seen": 0, "steps": 0}
    (name, values), *_ = fields.items()
    return [Cost(**{**rest, name: value}) for value in values]


def clocks(**fields):
    rest = {"learn_seconds": 0.0, "predict_seconds": 7.0, "peak_memory_bytes": 0}
    (name, values), *_ = fields.items()
    return [Clock(**{**rest, name: value}) for value in values]


def test_flops_and_seconds_add_up_over_updates_without_prediction():
    assert learn_flops(costs(flops_learn=[0, 10, 20])) == 30
    assert learn_seconds(clocks(learn_seconds=[0, 0.5, 0.25])) == pytest.approx(0.75)


def test_the_state_is_that_after_the_last_update_and_its_peak_that_of_any():
    sizes = costs(state_bytes=[4, 40, 8])
    assert state_bytes(sizes) == 8
    assert state_bytes_peak(sizes) == 40


def test_memory_is_the_most_in_any_update():
    assert peak_memory_bytes(clocks(peak_memory_bytes=[1, 5, 3])) == 5


def test_samples_seen_over_those_there_are_make_passes():
    seen = costs(samples_seen=[0, 30, 50])
    assert samples_seen(seen) == 80
    assert passes(seen, np.array([10, 10])) == 4
    with pytest.raises(NotMeasured, match="no samples"):
        passes(seen, np.array([0, 0]))


def test_what_a_budget_cut_off_is_told_where_there_is_one():
    assert samples_skipped(costs(samples_skipped=[None, 5, 0])) == 5
    with pytest.raises(NotMeasured, match="no budget of FLOPs or seconds"):
        samples_skipped(costs(samples_seen=[1]))
