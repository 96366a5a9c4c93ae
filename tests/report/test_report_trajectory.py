from pathlib import Path

import numpy as np
import pytest
from report_runs import CAREFUL, STREAM

from clbench.evidence import Evidence
from clbench.metric import NotMeasured
from clbench.metric.flips import lost_for_ever
from clbench.metric.forgetting import forgetting_from_peak
from clbench.report.trajectory import band, course, flip_shares, trajectory
from clbench.statistics import mean_interval
from fakes import random_run, stream_record, write_run

NAN = float("nan")


@pytest.fixture
def evidence(tmp_path: Path) -> Evidence:
    return Evidence(write_run(tmp_path / "run", STREAM, CAREFUL))


def test_a_loss_is_for_ever_only_if_no_later_version_is_right_again(evidence: Evidence) -> None:
    # Second update, 4 samples compared: one gained, one lost and regained, one lost for ever.
    # Third update, 8 samples: one gained, three lost for ever.
    expected = [[NAN, NAN, NAN], [1 / 4, 1 / 4, 1 / 4], [1 / 8, 0, 3 / 8]]
    np.testing.assert_array_equal(flip_shares(evidence), expected)


def test_accuracy_counts_only_what_was_learnt(evidence: Evidence) -> None:
    np.testing.assert_allclose(trajectory(evidence).seen, [NAN, 3 / 4, 6 / 8, 8 / 12])


def test_forgetting_starts_when_something_was_learnt_before(evidence: Evidence) -> None:
    np.testing.assert_allclose(trajectory(evidence).forgetting, [NAN, NAN, 0.25, 0.375])


@pytest.mark.parametrize("seed", range(5))
def test_curves_end_at_the_scores(tmp_path: Path, seed: int) -> None:
    stream = stream_record(sizes=(30, 20, 10))
    evidence = Evidence(random_run(tmp_path / "run", stream, rng=seed))
    drawn = trajectory(evidence)
    compared = [table.n for table in evidence.flips]
    lost = np.nan_to_num(drawn.flips[:, 2]) @ compared
    assert drawn.forgetting[-1] == pytest.approx(
        forgetting_from_peak(evidence.accuracy, evidence.learnt)
    )
    assert lost == pytest.approx(lost_for_ever(evidence.correct, evidence.known) * 50)


def test_losses_and_gains_are_those_of_the_flip_tables(tmp_path: Path) -> None:
    evidence = Evidence(random_run(tmp_path / "run", stream_record(sizes=(30, 20, 10))))
    gained, regained, lost = flip_shares(evidence)[1:].T
    rates = [(table.positive_flip_rate, table.negative_flip_rate) for table in evidence.flips[1:]]
    np.testing.assert_allclose(np.stack([gained, regained + lost], axis=1), rates)


def test_a_band_is_the_t_interval_of_each_point() -> None:
    found = band([np.array([NAN, 0.2]), np.array([NAN, 0.4]), np.array([NAN, 0.3])])
    low, high = mean_interval([0.2, 0.4, 0.3])
    np.testing.assert_allclose(found.mean, [NAN, 0.3])
    np.testing.assert_allclose([found.low[1], found.high[1]], [low, high])
    assert np.isnan([found.low[0], found.high[0]]).all()


def test_one_seed_has_no_band(evidence: Evidence) -> None:
    assert np.isnan(course("a", False, [trajectory(evidence)]).seen.low).all()


def test_a_run_that_was_asked_nothing_has_no_pictures(tmp_path: Path) -> None:
    stream = stream_record(classes=[(0, 1)], sizes=[2], splits=["train"])
    run = random_run(tmp_path / "run", stream)
    with pytest.raises(NotMeasured):
        trajectory(Evidence(run))
