from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.metric import NotMeasured
from clbench.metric.flip_table import FlipTable
from clbench.metric.flips import (
    churn,
    ever_lost,
    lost_for_ever,
    mcnemar_last_update,
    negative_flip_rate,
    positive_flip_rate,
)


def test_rates_pool_counts_over_updates_rather_than_average_ratios():
    flips = [FlipTable(nf=1, rr=1), FlipTable(rr=98)]
    assert negative_flip_rate(flips) == 1 / 100
    assert positive_flip_rate(flips) == 0
    assert churn(flips) == 1 / 100


def test_an_update_that_had_nothing_to_lose_adds_nothing():
    assert negative_flip_rate([FlipTable(), FlipTable(nf=1, rr=3)]) == 1 / 4


def test_the_last_update_alone_is_tested():
    flips = [FlipTable(nf=10), FlipTable(nf=1, rr=3)]
    assert mcnemar_last_update(flips) == 1


@pytest.mark.parametrize("metric", [negative_flip_rate, mcnemar_last_update])
def test_a_run_without_updates_has_no_flips(metric):
    with pytest.raises(NotMeasured):
        metric([])


def history(*versions):
    correct = [np.array(each, dtype=bool) for each in versions]
    return correct, [np.ones(len(each), dtype=bool) for each in correct]


def test_a_sample_that_came_back_was_lost_but_not_for_ever():
    correct, known = history([1, 1, 1, 0], [0, 0, 1, 0], [1, 0, 1, 0])
    assert ever_lost(correct, known) == 2 / 4
    assert lost_for_ever(correct, known) == 1 / 4


def test_samples_of_the_last_update_are_not_among_those_that_could_be_lost():
    correct, known = history([1, 1], [1, 0, 0, 0])
    assert ever_lost(correct, known) == lost_for_ever(correct, known) == 1 / 2


def test_what_was_right_by_chance_before_it_was_learnt_is_not_lost():
    correct, _ = history([1, 1], [0, 1], [0, 1])
    known = [np.array(each, dtype=bool) for each in ([0, 1], [1, 1], [1, 1])]
    assert ever_lost(correct, known) == lost_for_ever(correct, known) == 0


@pytest.mark.parametrize("metric", [ever_lost, lost_for_ever])
def test_with_a_single_update_nothing_can_be_lost(metric):
    correct, known = history([], [1, 0])
    with pytest.raises(NotMeasured, match="before the last update"):
        metric(correct, known)


@given(st.lists(st.lists(st.booleans(), min_size=5, max_size=5), min_size=2, max_size=6))
def test_losses_agree_with_a_count_sample_by_sample(versions):
    correct, known = history(*versions)
    columns = list(zip(*versions, strict=True))
    fell = sum(any(a and not b for a, b in pairwise(c)) for c in columns)
    gone = sum(any(c[:-1]) and not c[-1] for c in columns)
    assert ever_lost(correct, known) == fell / 5
    assert lost_for_ever(correct, known) == gone / 5
    assert gone <= fell
