import numpy as np
import pytest

from clbench import plugin
from clbench.bench import Bench
from clbench.errors import ClbenchError
from clbench.groupscore import GroupScore, score_group
from clbench.measure import load_group_metrics
from clbench.metric import NotMeasured
from clbench.metric.group import GroupMetric, group_metric
from clbench.sides import Sides
from crowds import array_crowd, gaussian

METRICS, _ = load_group_metrics()
ORACLES = array_crowd("retrain", gaussian(40, seed=1), gaussian(40, 3, seed=3))
NOTHING = array_crowd("do_nothing", gaussian(20, 2, seed=2, only="forget"))
BENCH = Bench(ORACLES, NOTHING)


def score(name: str, margins, bench: Bench = BENCH, **rest) -> GroupScore:
    return score_group(METRICS[name], array_crowd("method", margins, **rest), bench)


# -- declarations ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", plugin.entries("group_metrics"))
def test_every_metric_of_many_models_says_what_it_is(name):
    metric = plugin.load("group_metrics", name)
    assert isinstance(metric, GroupMetric)
    assert metric.id == name
    assert name not in plugin.entries("metrics")
    assert set(metric.needs) <= set(Sides.vocabulary())
    assert metric.definition[0].isupper()
    assert 20 < len(metric.definition) < 200
    assert metric.range[0] < metric.range[1]


@pytest.mark.parametrize("name", METRICS)
def test_every_metric_has_a_value_and_a_null_or_says_why_not(name):
    costs = {"flops": np.ones((40, 3)), "seconds": np.ones((40, 3))}
    oracles = array_crowd("retrain", gaussian(12, seed=1), gaussian(12, seed=4), costs=costs)
    found = score(name, gaussian(6, seed=5), Bench(oracles), original=gaussian(6, seed=6))
    assert (found.value is None) == (found.null is None)
    assert found.why


# -- the null -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["klom_forget", "wasserstein_forget", "ulira", "forget_gap"])
def test_retraining_again_is_the_null(name):
    """Other oracles than those of the null: nothing is wrong, so the fraction is about 1."""
    again = score(name, gaussian(20, seed=9), first_seed=100)
    assert again.n == 20
    assert again.told_apart is False
    assert again.fraction == pytest.approx(1, abs=0.2) or again.fraction is None


@pytest.mark.parametrize("name", ["klom_forget", "klom_forget_reverse", "wasserstein_forget"])
def test_doing_nothing_is_0_and_the_oracles_themselves_are_1(name):
    assert score_group(METRICS[name], NOTHING, BENCH).fraction == pytest.approx(0, abs=1e-9)
    assert score_group(METRICS[name], ORACLES, BENCH).fraction == pytest.approx(1, abs=0.02)


def test_halfway_between_is_a_fraction_between():
    half = score("wasserstein_forget", gaussian(20, 1, seed=7, only="forget"))
    assert half.fraction == pytest.approx(0.5, abs=0.15)
    assert half.told_apart


def test_the_null_is_far_from_0_for_few_models_and_has_as_many_as_the_value():
    """Public code plots the oracle as 0 by definition; with 20 models it is 3 to 5."""
    found = score("klom_forget", gaussian(40, seed=9))
    assert found.n == 20  # half of the 40 oracles, though there are 40 models
    assert 2 < found.null < 6
    assert found.value == pytest.approx(found.null, abs=found.spread)


def test_models_do_not_meet_oracles_that_began_as_they_did():
    """Crowd and oracles of one seed share the original, so they are too close to each other."""
    seen = []

    @group_metric(direction="lower", range=(0, 1))
    def overlap(margins, oracle_margins) -> float:
        """Share of the models that are one of the oracles."""
        same = (margins["test"][:, None] == oracle_margins["test"]).all(axis=2)
        seen.append(same.any(axis=1).mean())
        return float(seen[-1])

    bench = Bench(ORACLES, None)
    assert score_group(overlap, array_crowd("twin", gaussian(40, seed=1)), bench).value == 0
    assert bench.nulls(overlap, 20).tolist() == [0] * 10


def test_a_metric_of_the_set_up_alone_takes_all_its_models_and_its_null_all_oracles():
    found = score("forget_accuracy", gaussian(30, seed=9))
    assert found.n == 30
    expected = (gaussian(40, seed=1)[:, :6] > 0).mean()
    assert found.null == pytest.approx(expected)
    assert found.told_apart is False


def test_doing_nothing_as_well_as_the_null_has_no_scale():
    found = score("retain_gap", gaussian(20, seed=9))
    assert (found.fraction, found.do_nothing is None) == (None, False)
    assert "doing nothing is not told apart from the null" in found.why


# -- intervals and power --------------------------------------------------------------------


def test_the_interval_of_a_mean_is_that_of_the_normal_law():
    found = score("wasserstein_forget", gaussian(20, 3, seed=8, only="forget"))
    assert found.low < found.value < found.high
    # a shift of a mean over 6 points between 20 models a side, each with sd 1
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * np.sqrt(2 / 20 / 6), rel=0.35)


def test_few_models_are_marked_where_a_distribution_is_estimated():
    assert score("klom_forget", gaussian(19, seed=9)).under_powered
    assert not score("klom_forget", gaussian(20, seed=9)).under_powered
    assert not score("forget_gap", gaussian(5, seed=9)).under_powered


def test_oracles_that_are_drawn_twice_are_no_spread_to_measure_in():
    """One of 4 draws of 2 from 4 is one oracle twice; in its spread of 0 all shifts are huge."""
    two = Bench(array_crowd("retrain", gaussian(4, seed=1)))
    found = score("forget_margin_shift", gaussian(2, 1, seed=9), two, first_seed=100)
    assert found.low is None or found.high - found.low < 100
    same = array_crowd("retrain", np.repeat(gaussian(1, seed=1), 4, axis=0))
    found = score("forget_margin_shift", gaussian(2, 1, seed=9), Bench(same), first_seed=100)
    assert found.why == "the oracles are one model, which has no spread"


def test_one_model_has_a_value_and_no_interval():
    found = score("forget_accuracy", gaussian(1, seed=9))
    assert (found.low, found.high) == (None, None)
    assert "one model, so no interval" in found.why


# -- unmet needs ----------------------------------------------------------------------------


def test_without_oracles_what_needs_none_is_measured_and_has_no_null():
    alone = Bench(None)
    found = score("forget_accuracy", gaussian(5, seed=9), alone)
    assert found.value is not None
    assert (found.null, found.fraction) == (None, None)
    assert "a null takes 2 oracles; there are 0" in found.why
    missing = score("klom_forget", gaussian(5, seed=9), alone)
    assert (missing.value, missing.why) == (None, "no finished run of retrain on this stream")


def test_one_oracle_gives_a_value_without_a_null():
    found = score("forget_gap", gaussian(5, seed=9), Bench(array_crowd("retrain", gaussian(1))))
    assert (found.n, found.null) == (1, None)
    assert "a null takes 2 oracles; there are 1" in found.why


def test_without_do_nothing_there_is_no_fraction():
    found = score("klom_forget", gaussian(20, seed=9), Bench(ORACLES))
    assert (found.null is None, found.fraction) == (False, None)
    assert "no finished run of do_nothing" in found.why


def test_oracles_of_another_recipe_are_not_used():
    bench = Bench(None, NOTHING, "retrain was trained otherwise: training.lr 0.1, not 0.5")
    assert score("klom_forget", gaussian(5), bench).why.startswith("retrain was trained otherwise")


def test_a_metric_that_fails_or_leaves_its_range_is_named():
    @group_metric(direction="lower", range=(0, 1))
    def bad(margins) -> float:
        """Stands for any that is wrong."""
        return margins["test"].sum() if len(margins["test"]) > 2 else 1 / 0

    with pytest.raises(ClbenchError, match=r"metric bad@1 is .* for method; it must be in \[0, 1"):
        score_group(bad, array_crowd("method", gaussian(3)), Bench(None))
    with pytest.raises(ClbenchError, match="metric bad@1 fails on method: ZeroDivisionError"):
        score_group(bad, array_crowd("method", gaussian(2)), Bench(None))


def test_a_metric_may_find_nothing_to_measure():
    @group_metric(direction="lower", range=(0, 1))
    def none(margins) -> float:
        """Stands for any that is not defined."""
        raise NotMeasured("there is nothing")

    assert score_group(none, array_crowd("m", gaussian(3)), BENCH).why == "there is nothing"
