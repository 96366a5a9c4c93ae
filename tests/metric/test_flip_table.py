from math import sqrt

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest
from sklearn.metrics import confusion_matrix

from clbench.errors import ClbenchError
from clbench.metric import NotMeasured
from clbench.metric.flip_table import FlipTable, flip_table, pooled

# one row a question: label, old answer, new answer
questions = st.lists(st.tuples(*[st.integers(0, 3)] * 3), min_size=1, max_size=40)
counts = st.integers(0, 60)
tables = st.builds(FlipTable, counts, counts, counts, counts, counts).filter(lambda t: t.n > 0)


def table(rows) -> FlipTable:
    return flip_table(*np.array(rows).reshape(-1, 3).T)


def test_each_cell_counts_what_its_name_says():
    rows = [(1, 1, 0), (1, 0, 1), (1, 1, 1), (1, 0, 0), (1, 0, 2)]
    assert table(rows) == FlipTable(nf=1, pf=1, rr=1, ws=1, wd=1)


@given(questions)
def test_the_cells_agree_with_a_count_row_by_row(rows):
    expected = dict.fromkeys(("nf", "pf", "rr", "ws", "wd"), 0)
    for y, o, m in rows:
        if o == y:
            expected["rr" if m == y else "nf"] += 1
        elif m == y:
            expected["pf"] += 1
        else:
            expected["ws" if o == m else "wd"] += 1
    assert table(rows) == FlipTable(**expected)


@given(questions)
def test_right_and_wrong_agree_with_scikit_learn(rows):
    y, o, m = np.array(rows).T
    (wrong, gained), (lost, right) = confusion_matrix(o == y, m == y, labels=[False, True])
    found = table(rows)
    assert (found.ws + found.wd, found.pf, found.nf, found.rr) == (wrong, gained, lost, right)


@given(questions, st.randoms())
def test_the_order_of_the_questions_does_not_matter(rows, random):
    shuffled = random.sample(rows, len(rows))
    assert table(shuffled) == table(rows)


@given(questions, questions)
def test_adding_tables_equals_asking_all_questions_at_once(one, other):
    assert table(one) + table(other) == pooled([table(one), table(other)]) == table(one + other)


@given(tables)
def test_flips_are_the_difference_of_the_errors(t):
    assert t.negative_flip_rate - t.positive_flip_rate == pytest.approx(
        (1 - t.new_accuracy) - (1 - t.old_accuracy)
    )
    assert t.accuracy_change == pytest.approx(t.new_accuracy - t.old_accuracy)


@given(tables)
def test_churn_is_all_that_changed(t):
    assert t.churn == pytest.approx(t.negative_flip_rate + t.positive_flip_rate + t.wd / t.n)


@given(tables)
def test_the_accuracies_bound_the_negative_flips(t):
    low, high = t.negative_flip_rate_bounds
    assert low - 1e-12 <= t.negative_flip_rate <= high + 1e-12


@given(tables)
def test_trust_and_error_compatibility_are_shares_of_the_negative_flips(t):
    if t.nf + t.rr:
        share = t.negative_flip_rate / t.old_accuracy
        assert t.backward_trust_compatibility == pytest.approx(1 - share)
    if t.nf + t.ws + t.wd:
        share = t.negative_flip_rate / (1 - t.new_accuracy)
        assert t.backward_error_compatibility == pytest.approx(1 - share)
        assert t.negative_flip_impact == pytest.approx(share)


def test_error_compatibility_divides_by_the_new_errors_not_the_old_ones():
    t = FlipTable(nf=1, pf=6, rr=1, ws=2, wd=1)
    assert t.backward_error_compatibility == 3 / 4  # P(old wrong | new wrong)
    assert t.backward_error_compatibility != 3 / 9  # P(new wrong | old wrong)


def test_relative_negative_flips_are_1_for_models_that_err_independently():
    # old right 60 %, new right 80 %, independent
    t = FlipTable(nf=12, pf=32, rr=48, ws=5, wd=3)
    assert t.relative_negative_flip_rate == pytest.approx(1)


@pytest.mark.parametrize(
    ("t", "name", "why"),
    [
        (FlipTable(), "negative_flip_rate", "no sample"),
        (FlipTable(), "negative_flip_rate_interval", "no sample"),
        (FlipTable(), "churn", "no sample"),
        (FlipTable(), "mcnemar", "no sample"),
        (FlipTable(), "accuracy_change_error", "no sample"),
        (FlipTable(rr=9), "backward_error_compatibility", "never wrong"),
        (FlipTable(rr=9), "negative_flip_impact", "never wrong"),
        (FlipTable(rr=9), "relative_negative_flip_rate", "never wrong"),
        (FlipTable(ws=9), "backward_trust_compatibility", "never right"),
        (FlipTable(ws=9), "relative_negative_flip_rate", "never right"),
    ],
)
def test_what_is_not_defined_is_not_0(t, name, why):
    with pytest.raises(NotMeasured, match=why):
        getattr(t, name)


@given(tables)
def test_mcnemar_is_the_binomial_test_below_25_flips(t):
    if 0 < t.nf + t.pf < 25:
        assert t.mcnemar == pytest.approx(binomtest(t.nf, t.nf + t.pf).pvalue)


def test_mcnemar_above_is_chi_square_without_correction():
    from scipy.stats import chi2

    assert FlipTable(nf=30, pf=50).mcnemar == pytest.approx(chi2.sf(20**2 / 80, df=1))


def test_without_flips_there_is_no_evidence_of_a_change():
    assert FlipTable(rr=5, ws=5).mcnemar == 1


@given(tables)
def test_the_interval_of_the_rate_is_wilsons(t):
    expected = binomtest(t.nf, t.n).proportion_ci(method="wilson")
    low, high = t.negative_flip_rate_interval
    assert (low, high) == pytest.approx((expected.low, expected.high), abs=1e-12)


@given(tables)
def test_the_error_of_the_change_is_that_of_the_mean_of_the_paired_differences(t):
    differences = np.repeat([-1, 1, 0], [t.nf, t.pf, t.rr + t.ws + t.wd])
    assert t.accuracy_change_error == pytest.approx(differences.std() / sqrt(t.n), abs=1e-9)


def test_answers_and_labels_must_pair_off():
    with pytest.raises(ClbenchError, match=r"labels have shape \(3,\), old answers \(3,\), .*2"):
        flip_table(np.zeros(3, int), np.zeros(3, int), np.zeros(2, int))


@given(tables)
def test_the_five_shares_are_all_there_is(t):
    shares = (t.both_right_rate, t.negative_flip_rate, t.positive_flip_rate)
    assert sum(shares) + t.same_error_rate + t.changed_error_rate == pytest.approx(1)


@given(tables)
def test_changed_wrong_answers_and_gains_are_all_churn(t):
    assert t.churn == pytest.approx(t.positive_flip_rate + t.negative_flip_rate_mc)


@given(tables)
def test_excess_flips_are_those_above_the_least_that_accuracies_force(t):
    low, _ = t.negative_flip_rate_bounds
    assert t.excess_negative_flip_rate == pytest.approx(t.negative_flip_rate - low, abs=1e-12)


def test_gains_mirror_losses():
    """Exchange of old and new turns each measure of losses into that of gains."""
    t = FlipTable(nf=3, pf=5, rr=40, ws=2, wd=1)
    back = FlipTable(nf=5, pf=3, rr=40, ws=2, wd=1)
    assert t.positive_flip_impact == 5 / 45
    assert t.win_loss_ratio == 5 / 3
    assert t.relative_positive_flip_rate == pytest.approx((5 / 51) / ((8 / 51) * (45 / 51)))
    assert back.negative_flip_rate == t.positive_flip_rate


def test_models_that_are_right_independently_have_relative_rates_of_1():
    t = FlipTable(rr=56, nf=14, pf=24, ws=2, wd=4)  # right on 70 % and on 80 %
    assert t.relative_positive_flip_rate == pytest.approx(1)
    assert t.relative_negative_flip_rate == pytest.approx(1)


@pytest.mark.parametrize(
    ("t", "name"),
    [
        (FlipTable(rr=3), "win_loss_ratio"),
        (FlipTable(rr=3), "relative_positive_flip_rate"),
        (FlipTable(nf=3), "positive_flip_impact"),
    ],
)
def test_shares_of_nothing_are_not_measured(t, name):
    with pytest.raises(NotMeasured):
        getattr(t, name)
