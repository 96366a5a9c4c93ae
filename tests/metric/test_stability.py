"""Metrics of stability against closed forms, loops from the paper's definitions, and properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clbench.metric import NotMeasured
from clbench.metric.stability import (
    WINDOW,
    accuracy_curve_area,
    min_accuracy,
    windowed_forgetting,
    windowed_plasticity,
    worst_case_accuracy,
)
from clbench.metric.trace import Trace

NAN = float("nan")
TWO = np.array([1, 2])


def trace(version: list[int], accuracy: list[list[float]], shown: list[int] | None = None) -> Trace:
    """A trace of one step and ten samples between probes, unless `shown` says otherwise."""
    steps = np.arange(1, len(version) + 1)
    return Trace(
        np.array(version),
        steps,
        np.array(shown) if shown else 10 * steps,
        np.array(accuracy, dtype=np.float64),
    )


# A gap: the first set falls to 0.2 at the start of the second update and is learnt again.
GAP = trace([1, 1, 2, 2, 2], [[0.5, NAN], [0.9, NAN], [0.2, 0.4], [0.7, 0.6], [0.8, 0.7]])


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """One set an update, asked from its own update on; up to 15 probes an update."""
    sets = draw(st.integers(2, 4))
    sizes = draw(st.lists(st.integers(1, 15), min_size=sets, max_size=sets))
    version = np.repeat(np.arange(1, sets + 1), sizes)
    values = st.lists(st.integers(0, 8), min_size=len(version), max_size=len(version))
    table = np.stack([np.array(draw(values)) / 8 for _ in range(sets)], axis=1)
    table[version[:, None] < np.arange(1, sets + 1)] = NAN
    gaps = draw(st.lists(st.integers(0, 9), min_size=len(version), max_size=len(version)))
    shown = np.cumsum(gaps) + 1
    return Trace(version, np.arange(len(version)), shown, table)


def learnt_of(made: Trace) -> np.ndarray:
    return np.arange(1, made.accuracy.shape[1] + 1)


class TestMinAccuracy:
    def test_the_gap_counts_and_what_came_before_learning_does_not(self) -> None:
        assert min_accuracy(GAP, TWO) == 0.2

    def test_the_accuracy_at_the_end_of_learning_is_not_since(self) -> None:
        rising = trace([1, 2, 2], [[0.3, NAN], [0.5, 0.1], [0.6, 0.2]])
        assert min_accuracy(rising, TWO) == 0.5

    @given(traces())
    def test_it_is_the_papers_loop(self, made: Trace) -> None:
        lows = []
        for e in range(made.accuracy.shape[1] - 1):  # tasks 1 .. k-1
            low = 1.0
            for p in range(len(made.version)):
                if made.version[p] > e + 1:
                    low = min(low, made.accuracy[p, e])
            lows.append(low)
        assert min_accuracy(made, learnt_of(made)) == pytest.approx(sum(lows) / len(lows))

    @given(traces())
    def test_no_end_of_a_later_update_is_below(self, made: Trace) -> None:
        old = made.accuracy[-1, :-1]
        assert min_accuracy(made, learnt_of(made)) <= old.mean() + 1e-12

    @given(traces(), st.integers(2, 5))
    def test_fewer_probes_see_less_of_the_gap(self, made: Trace, every: int) -> None:
        ends = np.flatnonzero(np.diff(made.version, append=9) > 0)
        kept = sorted({*range(0, len(made.version), every), *ends.tolist()})
        fewer = Trace(made.version[kept], made.step[kept], made.shown[kept], made.accuracy[kept])
        assert min_accuracy(made, learnt_of(made)) <= min_accuracy(fewer, learnt_of(made))

    def test_nothing_old_is_not_measured(self) -> None:
        with pytest.raises(NotMeasured, match="learnt before the last update"):
            min_accuracy(trace([1, 1], [[0.1], [0.2]]), np.array([1]))

    def test_a_set_that_was_left_out_is_not_measured(self) -> None:
        with pytest.raises(NotMeasured, match="not asked after"):
            min_accuracy(trace([1, 2], [[0.1, NAN], [NAN, 0.5]]), TWO)


class TestWorstCaseAccuracy:
    def test_one_half_each_for_two_sets(self) -> None:
        assert worst_case_accuracy(GAP, TWO) == pytest.approx((0.7 + 0.2) / 2)

    @given(traces())
    def test_it_is_the_papers_formula(self, made: Trace) -> None:
        k = made.accuracy.shape[1]
        expected = made.accuracy[-1, -1] / k + (1 - 1 / k) * min_accuracy(made, learnt_of(made))
        assert worst_case_accuracy(made, learnt_of(made)) == pytest.approx(expected)

    @given(traces())
    def test_it_is_at_most_the_average_accuracy(self, made: Trace) -> None:
        assert worst_case_accuracy(made, learnt_of(made)) <= made.accuracy[-1].mean() + 1e-12

    def test_after_one_update_it_is_the_accuracy(self) -> None:
        assert worst_case_accuracy(trace([1, 1], [[0.1], [0.25]]), np.array([1])) == 0.25

    def test_an_update_that_teaches_no_set_leaves_only_old_ones(self) -> None:
        made = trace([1, 2, 2], [[0.9], [0.4], [0.6]])
        assert worst_case_accuracy(made, np.array([1])) == 0.4

    def test_a_set_that_was_left_out_is_not_measured(self) -> None:
        with pytest.raises(NotMeasured, match="every evaluation set"):
            worst_case_accuracy(trace([1, 2], [[0.1, NAN], [0.1, NAN]]), TWO)


def largest(curve: np.ndarray, sign: int) -> float:
    """Over all windows of ten probes, over all pairs in the window: the paper's definition."""
    found = [
        sign * (curve[n] - curve[m])
        for end in range(1, len(curve))
        for n in range(max(0, end - WINDOW + 1), end + 1)
        for m in range(max(0, end - WINDOW + 1), n)
    ]
    return max(found)


class TestWindows:
    def test_largest_drop_and_rise_of_each_set(self) -> None:
        assert windowed_forgetting(GAP) == pytest.approx((0.7 - 0.1) / 2)  # the second only rises
        assert windowed_plasticity(GAP) == pytest.approx((0.6 + 0.3) / 2)

    def test_a_drop_over_more_probes_than_the_window_counts_in_part(self) -> None:
        slow = trace([1] * 21, [[1 - i / 20] for i in range(21)])
        assert windowed_forgetting(slow) == pytest.approx((WINDOW - 1) / 20)

    @given(traces())
    def test_they_are_the_papers_loops(self, made: Trace) -> None:
        curves = [c[~np.isnan(c)] for c in made.accuracy.T]
        curves = [c for c in curves if len(c) > 1]
        if curves:
            drops = [largest(c, -1) for c in curves]
            rises = [largest(c, 1) for c in curves]
            assert windowed_forgetting(made) == pytest.approx(np.mean(drops))
            assert windowed_plasticity(made) == pytest.approx(np.mean(rises))

    def test_a_set_that_was_asked_once_has_no_window(self) -> None:
        with pytest.raises(NotMeasured, match="twice"):
            windowed_plasticity(trace([1], [[0.5]]))


class TestArea:
    def test_of_a_constant_curve_it_is_the_constant(self) -> None:
        flat = trace([1, 1, 2], [[0.4], [0.4], [0.4]], shown=[5, 7, 30])
        assert accuracy_curve_area(flat, np.array([8])) == pytest.approx(0.4)

    def test_probes_at_equal_distances_weigh_the_same(self) -> None:
        line = trace([1] * 5, [[i / 4] for i in range(5)])
        assert accuracy_curve_area(line, np.array([3])) == pytest.approx(0.5)

    def test_a_probe_stands_for_the_samples_before_it(self) -> None:
        made = trace([1, 1], [[0.2], [1.0]], shown=[30, 40])
        assert accuracy_curve_area(made, np.array([3])) == pytest.approx((30 * 0.2 + 10) / 40)

    def test_sets_weigh_as_many_samples_as_they_have_once_asked(self) -> None:
        made = trace([1, 2], [[1.0, NAN], [1.0, 0.0]])
        assert accuracy_curve_area(made, np.array([1, 3])) == pytest.approx((1 + 1 / 4) / 2)

    @given(traces())
    def test_it_lies_between_the_worst_and_the_best_accuracy(self, made: Trace) -> None:
        sizes = np.ones(made.accuracy.shape[1], dtype=int)
        asked = made.accuracy[~np.isnan(made.accuracy)]
        assert asked.min() - 1e-12 <= accuracy_curve_area(made, sizes) <= asked.max() + 1e-12

    def test_a_method_that_reads_nothing_has_no_curve(self) -> None:
        with pytest.raises(NotMeasured, match="no samples"):
            accuracy_curve_area(trace([1, 2], [[0.1], [0.2]], shown=[0, 0]), np.array([1]))
