import numpy as np
import pytest
from scipy import stats

from clbench.compare import Comparison, compare
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.metric.flip_table import FlipTable
from clbench.statistics import two_way_bootstrap
from fakes import answers, random_run, stream_record, write_run

STREAM = stream_record(classes=[(0, 1), (2, 3)], sizes=[200, 100])
SMALL = stream_record(classes=[(0, 1), (2, 3)], sizes=[4, 2])


def runs(folder, method: str, skill: float, seeds=range(4), stream=STREAM) -> list[Ledger]:
    return [
        random_run(folder / f"{method}{s}", stream, skill, rng=s + 50, method=method, seed=s)
        for s in seeds
    ]


@pytest.fixture(scope="module")
def comparison(tmp_path_factory) -> Comparison:
    tmp_path = tmp_path_factory.mktemp("runs")
    return compare(runs(tmp_path, "weak", 0.5), runs(tmp_path, "strong", 0.7))


def test_the_difference_is_b_minus_a(comparison):
    assert (comparison.a, comparison.b, comparison.stream) == ("weak", "strong", "fake")
    assert comparison.seeds == (0, 1, 2, 3)
    difference = comparison.metrics["final_accuracy"].mean
    assert comparison.accuracy.mean == pytest.approx(difference)
    assert 0.1 < difference < 0.3


def test_the_flips_are_those_between_the_final_answers(comparison):
    pooled = comparison.pooled_flips
    assert pooled.n == 4 * 300
    assert pooled.accuracy_change == pytest.approx(comparison.accuracy.mean)
    assert set(comparison.flips) == {0, 1, 2, 3}


def test_the_interval_of_the_accuracy_holds_its_mean_and_leaves_out_0(comparison):
    low, high = comparison.accuracy.interval
    assert 0 < low < comparison.accuracy.mean < high


def test_swapping_the_sides_turns_the_sign(tmp_path):
    a, b = runs(tmp_path, "a", 0.5), runs(tmp_path, "b", 0.6)
    there, back = compare(a, b), compare(b, a)
    assert there.accuracy.mean == pytest.approx(-back.accuracy.mean)
    assert there.accuracy.p == pytest.approx(back.accuracy.p)
    assert there.pooled_flips.nf == back.pooled_flips.pf


def test_p_is_that_of_a_paired_t_test_over_seeds(tmp_path):
    a, b = runs(tmp_path, "a", 0.5), runs(tmp_path, "b", 0.55)
    found = compare(a, b, ["final_accuracy"])
    changes = [table.accuracy_change for table in found.flips.values()]
    assert found.accuracy.p == pytest.approx(stats.ttest_1samp(changes, 0).pvalue)
    assert found.metrics["final_accuracy"].p == pytest.approx(found.accuracy.p)


def test_only_shared_seeds_count(tmp_path):
    found = compare(runs(tmp_path, "a", 0.5, [0, 1, 2]), runs(tmp_path, "b", 0.5, [1, 2, 3]))
    assert found.seeds == (1, 2)


def test_one_shared_seed_has_an_interval_over_samples_and_no_p(tmp_path):
    found = compare(runs(tmp_path, "a", 0.5, [0]), runs(tmp_path, "b", 0.6, [0]))
    assert found.accuracy.interval is not None
    assert found.accuracy.p is None
    assert "one shared seed" in found.accuracy.why
    assert found.metrics["churn"].interval is None


def test_a_metric_that_a_side_lacks_says_why(comparison):
    missing = comparison.metrics["forward_transfer"]
    assert (missing.n, missing.mean, missing.interval, missing.p) == (0, None, None, None)
    assert "version 0 was not asked" in missing.why


def test_the_flip_table_of_a_pair_by_hand(tmp_path):
    a = write_run(tmp_path / "a", SMALL, answers(SMALL, [], [0] * 4, [0, 1, 0, 0, 2, 0]))
    b = write_run(
        tmp_path / "b", SMALL, answers(SMALL, [], [0] * 4, [0, 0, 0, 1, 2, 1]), method="b"
    )
    assert compare([a], [b]).flips == {0: FlipTable(nf=1, pf=1, rr=3, wd=1)}


def test_unfinished_runs_are_left_out_and_told(tmp_path):
    a, b = runs(tmp_path, "a", 0.5), runs(tmp_path, "b", 0.5)
    half = write_run(tmp_path / "half", SMALL, answers(SMALL, []), method="b")
    assert compare(a, [*b, half]).left_out == (f"{half.path} has 1 of 3 versions",)


def test_the_interval_covers_the_truth_as_often_as_it_says():
    rng = np.random.default_rng(0)
    inside = 0
    for _ in range(40):
        # a difference of 0.1 in the mean, with effects of the sample that all seeds share
        gain = rng.choice([0, 0.2], size=300)
        differences = (rng.random((8, 300)) < gain).astype(np.int64)
        low, high = two_way_bootstrap(differences)
        inside += low <= 0.1 <= high
    assert inside >= 34


def test_what_cannot_be_paired_is_said(tmp_path):
    a, b = runs(tmp_path, "a", 0.5, [0, 1]), runs(tmp_path, "b", 0.5, [2, 3])
    with pytest.raises(ClbenchError, match=r"a has the seeds 0, 1 and b 2, 3; .* that both have"):
        compare(a, b)
    with pytest.raises(ClbenchError, match="the second side has no finished run"):
        compare(a, [])
    with pytest.raises(ClbenchError, match="the first side mixes set-ups: a, b on fake"):
        compare([*a, *b], b)
    with pytest.raises(ClbenchError, match="both sides are the same set-up of a"):
        compare(a, a)
    with pytest.raises(ClbenchError, match=r"are the same run \(b, seed 2\)"):
        compare(a, [*b, Ledger(b[0].path.parent / "b3" / ".." / "b2")])


def test_other_streams_are_named_with_their_fingerprints(tmp_path):
    other = STREAM.model_copy(update={"fingerprint": "e" * 64, "name": "other"})
    a, b = runs(tmp_path, "a", 0.5, [0]), runs(tmp_path, "b", 0.5, [0], other)
    with pytest.raises(ClbenchError, match=r"on fake \(f{12}\) and .* on other \(e{12}\)"):
        compare(a, b)


def test_a_source_and_its_features_can_be_compared(tmp_path):
    features = STREAM.model_copy(update={"source": "features", "source_fingerprint": "1" * 64})
    one = random_run(tmp_path / "1", STREAM, method="nmc")
    other = random_run(tmp_path / "2", features, method="nmc")
    found = compare([one], [other])
    assert (found.a, found.b) == ("nmc on fake", "nmc on features")
