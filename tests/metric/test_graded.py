"""MUSCLE's rates for graded scores, against plain loops."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.flip_margins import borderline_negative_flip_rate, confident_negative_flip_rate
from clbench.metric.flip_table import flip_table
from clbench.metric.flips import negative_flip_rate
from clbench.metric.graded import (
    TIE,
    GradedFlips,
    graded_flips,
    graded_negative_flip_rate,
    mean_gain,
    mean_regression,
    seed_noise,
)

grades = st.integers(0, 8).map(lambda i: i / 8)
pairs = st.lists(st.tuples(grades, grades), min_size=1, max_size=30)


@given(pairs, st.sampled_from([0.0, 0.1, 0.3]))
def test_rates_and_mean_sizes_are_the_papers(rows, tie):
    old, new = np.array(rows).T
    changes = [b - a for a, b in rows]
    up, down = [d for d in changes if d > tie], [-d for d in changes if d < -tie]
    found, n = graded_flips(old, new, tie), len(rows)
    assert found.positive_flip_rate == len(up) / n
    assert found.negative_flip_rate == len(down) / n
    if up:  # M_g = sum D 1[D > 0] / (N PFR)
        assert found.mean_gain == pytest.approx(sum(up) / (n * found.positive_flip_rate))
    if down:
        assert found.mean_regression == pytest.approx(sum(down) / (n * found.negative_flip_rate))


@given(pairs)
def test_without_ties_the_mean_change_is_what_gains_and_losses_leave(rows):
    old, new = np.array(rows).T
    found = graded_flips(old, new, 0)
    net = (found.gained - found.lost) / found.n
    assert net == pytest.approx((new - old).mean(), abs=1e-12)


@given(pairs, pairs)
def test_counts_add_up_over_updates(one, two):
    added = graded_flips(*np.array(one).T, 0.1) + graded_flips(*np.array(two).T, 0.1)
    whole = graded_flips(*np.array(one + two).T, 0.1)
    assert (added.n, added.gains, added.losses) == (whole.n, whole.gains, whole.losses)
    assert added.lost == pytest.approx(whole.lost)


@given(st.lists(st.tuples(*[st.integers(0, 2)] * 3), min_size=1, max_size=30))
def test_of_right_and_wrong_it_is_the_flip_table(rows):
    y, old, new = np.array(rows).T
    found = graded_flips((old == y).astype(float), (new == y).astype(float), 0)
    assert found.negative_flip_rate == flip_table(y, old, new).negative_flip_rate
    assert found.positive_flip_rate == flip_table(y, old, new).positive_flip_rate


def test_a_difference_as_large_as_the_tie_is_a_tie():
    old, new = np.array([0.5, 0.5]), np.array([0.25, 0.75])
    assert graded_flips(old, new, 0.25) == GradedFlips(n=2)


def test_without_a_tie_noise_alone_flips_half_of_all_samples():
    """The hole in the paper's definition: models that are equally good differ by a little."""
    rng = np.random.default_rng(0)
    skill = rng.random(4000)
    seeds = skill + 0.01 * rng.normal(size=(3, 4000))
    assert seed_noise(seeds, 0) == pytest.approx(0.5, abs=0.01)
    assert seed_noise(seeds, 0.1) == 0
    found = graded_flips(seeds[0], seeds[1], 0)
    assert found.negative_flip_rate == pytest.approx(seed_noise(seeds, 0), abs=0.03)


def test_noise_is_the_mean_over_ordered_pairs_of_seeds():
    scores = np.array([[0.0, 1.0, 0.5], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    rates = [(b < a).mean() for i, a in enumerate(scores) for j, b in enumerate(scores) if i != j]
    assert seed_noise(scores, 0) == pytest.approx(np.mean(rates))


def test_noise_needs_two_seeds():
    with pytest.raises(NotMeasured, match="two models or more; there are 1"):
        seed_noise(np.zeros((1, 4)), 0)
    with pytest.raises(ClbenchError, match=r"are \[models, samples\]"):
        seed_noise(np.zeros(4), 0)


def test_what_has_no_size_is_not_measured():
    same = graded_flips(np.ones(3), np.ones(3), 0)
    for name in ("mean_gain", "mean_regression"):
        with pytest.raises(NotMeasured, match="more than a tie"):
            getattr(same, name)
    with pytest.raises(NotMeasured, match="no sample was put to both"):
        _ = graded_flips(np.zeros(0), np.zeros(0), 0).negative_flip_rate


@pytest.mark.parametrize(
    ("old", "new", "tie", "complaint"),
    [
        ([0.0, 1.0], [0.0], 0, "sample by sample"),
        ([0.0], [np.nan], 0, "must be finite"),
        ([0.0], [1.0], -0.1, "it must be 0 or more"),
    ],
)
def test_what_cannot_be_compared(old, new, tie, complaint):
    with pytest.raises(ClbenchError, match=complaint):
        graded_flips(np.array(old), np.array(new), tie)


OLD, NEW = np.array([0.9, 0.55, 0.9, 0.8, 0.2]), np.array([0.1, 0.46, 0.6, 0.79, 0.9, 0.9])
KNOWN = [np.ones(5, dtype=bool), np.ones(6, dtype=bool)]
CORRECT = [np.array([1, 1, 1, 1, 0], dtype=bool), np.array([0, 0, 0, 1, 1, 1], dtype=bool)]


def test_probabilities_of_the_right_label_are_graded_on_what_the_older_version_knew():
    assert graded_negative_flip_rate([OLD, NEW], KNOWN) == 2 / 5  # 0.9 to 0.1, 0.9 to 0.6
    assert mean_regression([OLD, NEW], KNOWN) == pytest.approx((0.8 + 0.3) / 2)
    assert mean_gain([OLD, NEW], KNOWN) == pytest.approx(0.7)
    unknown = [np.array([0, 1, 1, 1, 1], dtype=bool), KNOWN[1]]
    assert graded_negative_flip_rate([OLD, NEW], unknown) == 1 / 4
    assert TIE == 0.1


def test_negative_flips_split_by_what_the_right_label_lost():
    # 0.9 to 0.1 is a blunder, 0.55 to 0.46 a near tie that tipped, 0.9 to 0.6 between
    borderline = borderline_negative_flip_rate([OLD, NEW], CORRECT, KNOWN)
    confident = confident_negative_flip_rate([OLD, NEW], CORRECT, KNOWN)
    assert (borderline, confident) == (1 / 5, 1 / 5)
    flips = [flip_table(np.ones(5), CORRECT[0].astype(int), CORRECT[1][:5].astype(int))]
    assert borderline + confident <= negative_flip_rate(flips) == 3 / 5


def test_without_questions_flips_have_no_margins():
    nothing = [np.zeros(0, dtype=bool)] * 2
    with pytest.raises(NotMeasured, match="no sample was put to both"):
        confident_negative_flip_rate([np.zeros(0)] * 2, nothing, nothing)
