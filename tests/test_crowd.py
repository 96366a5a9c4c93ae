import json

import numpy as np
import pytest

from clbench.crowd import Crowd
from clbench.errors import ClbenchError
from clbench.given import ArrayAnswers
from clbench.metric import NotMeasured
from clbench.prediction import Asked, to_parquet
from clbench.recorded import crowd_of_runs
from clbench.seal import seal
from clbench.sides import Sides
from crowds import STREAM, array_crowd, forgetting, gaussian, write_crowd
from fakes import labels_of, random_run, stream_record, write_run

ORIGINAL, UNLEARNED = gaussian(3, seed=1), gaussian(3, -1.5, seed=2)


@pytest.fixture
def runs(tmp_path):
    return write_crowd(tmp_path, "method", [ORIGINAL, UNLEARNED])


def test_margins_come_back_model_by_model_and_set_by_set(runs):
    sides = Sides(crowd_of_runs(runs), None)
    np.testing.assert_allclose(sides.margins["forget"], UNLEARNED[:, :6], atol=1e-6)
    np.testing.assert_allclose(sides.margins["test"], UNLEARNED[:, 14:], atol=1e-6)
    np.testing.assert_allclose(sides.original_margins["retain"], ORIGINAL[:, 6:14], atol=1e-6)
    right = sides.predicted["test"] == sides.labels["test"]
    np.testing.assert_array_equal(right, UNLEARNED[:, 14:] > 0)


def test_runs_are_ordered_by_seed_wherever_they_lie(runs):
    crowd = crowd_of_runs([runs[2], runs[0], runs[1]])
    assert crowd.seeds.tolist() == [0, 1, 2]
    np.testing.assert_allclose(Sides(crowd, None).margins["retain"], UNLEARNED[:, 6:14], atol=1e-6)


def test_arrays_make_the_same_crowd_as_ledgers(runs):
    one = Sides(crowd_of_runs(runs), None)
    two = Sides(array_crowd("method", UNLEARNED, ORIGINAL), None)
    for name in ("margins", "original_margins", "predicted", "original_predicted", "labels"):
        for part in ("forget", "retain", "test"):
            np.testing.assert_allclose(one.of(name)[part], two.of(name)[part], atol=1e-6)


def test_several_requests_are_one_set_to_forget(tmp_path):
    sizes = {"forget-1": 3, "retain": 4, "forget-2": 2, "test": 2}
    stream = forgetting(sizes, kinds=("learn", "forget", "forget"))
    margins = [gaussian(2, seed=s, stream=stream) for s in range(3)]
    crowd = crowd_of_runs(write_crowd(tmp_path, "method", margins, stream))
    assert (crowd.original, crowd.unlearned) == (1, 3)
    expected = margins[2][:, [0, 1, 2, 7, 8]]
    np.testing.assert_allclose(Sides(crowd, None).margins["forget"], expected, atol=1e-6)


def test_learning_again_is_a_version_of_its_own(tmp_path):
    stream = forgetting(kinds=("learn", "forget", "learn"))
    margins = [gaussian(2, seed=s) for s in range(3)]
    crowd = crowd_of_runs(write_crowd(tmp_path, "method", margins, stream))
    assert (crowd.original, crowd.unlearned, crowd.relearned) == (1, 2, 3)
    again = Sides(crowd, None).relearned_margins["test"]
    np.testing.assert_allclose(again, margins[2][:, 14:], atol=1e-6)


def test_what_is_not_there_is_not_measured(runs):
    sides = Sides(crowd_of_runs(runs), None)
    with pytest.raises(NotMeasured, match="test-forgotten is not among the evaluation sets"):
        _ = sides.margins["test-forgotten"]
    with pytest.raises(NotMeasured, match="no finished run of retrain on this stream"):
        _ = sides.oracle_margins
    with pytest.raises(NotMeasured, match="nothing is learnt again after the last forget update"):
        _ = sides.relearned_margins["test"]
    with pytest.raises(NotMeasured, match="logits are recorded with --form full alone"):
        _ = sides.logits["test"]
    with pytest.raises(ClbenchError, match="unknown evidence of many models 'margin'; did you"):
        sides.of("margin")


def test_all_logits_are_there_where_they_were_recorded(tmp_path):
    runs = write_crowd(tmp_path, "method", [ORIGINAL, UNLEARNED], form="full")
    assert Sides(crowd_of_runs(runs), None).logits["test"].shape == (3, 10, 2)


def test_a_stream_that_forgets_nothing_has_no_unlearned_version(tmp_path):
    crowd = crowd_of_runs([random_run(tmp_path, stream_record())])
    with pytest.raises(NotMeasured, match="fake has no forget update"):
        _ = crowd.unlearned


def test_costs_are_those_of_forget_updates(runs):
    sides = Sides(crowd_of_runs(runs), None)
    assert sides.forget_flops.tolist() == [100.0] * 3
    assert sides.forget_seconds.tolist() == [0.5] * 3


def test_evidence_cannot_be_changed(runs):
    with pytest.raises(ValueError, match="read-only"):
        Sides(crowd_of_runs(runs), None).margins["test"][...] = 0


# -- what is refused ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"fingerprint": "1" * 64}, r"another stream.fingerprint \(ffffffffffff and 111111111111"),
        ({"source_fingerprint": "1" * 64}, "another stream.source_fingerprint"),
    ],
)
def test_runs_of_another_stream_or_source_are_refused(runs, tmp_path, changes, message):
    other = write_crowd(tmp_path / "o", "method", [ORIGINAL, UNLEARNED], forgetting(**changes))
    with pytest.raises(ClbenchError, match=message):
        crowd_of_runs([runs[0], other[1]])


def test_runs_of_another_form_or_set_up_are_refused(runs, tmp_path):
    full = write_crowd(tmp_path / "f", "method", [ORIGINAL, UNLEARNED], form="full")
    with pytest.raises(ClbenchError, match=r"in the form compact and .* in full; a crowd has one"):
        crowd_of_runs([runs[0], full[1]])
    other = write_crowd(tmp_path / "o", "other", [ORIGINAL, UNLEARNED])
    with pytest.raises(ClbenchError, match="one set-up; these runs of method, other have 2"):
        crowd_of_runs([runs[0], other[1]])


def test_unfinished_runs_and_repeated_seeds_are_refused(runs, tmp_path):
    half = write_run(tmp_path / "half", STREAM, [np.zeros((0, 2), np.float32)], method="method")
    with pytest.raises(ClbenchError, match="half is not finished; run it again to go on"):
        crowd_of_runs([half])
    with pytest.raises(ClbenchError, match="seed 0 comes twice"):
        crowd_of_runs([runs[0], runs[0]])
    with pytest.raises(ClbenchError, match="at least one finished run"):
        crowd_of_runs([])


def test_another_order_of_samples_is_refused(runs):
    file = runs[1].folder(2) / "predictions.parquet"
    asked = Asked(np.repeat([0, 1, 2], [6, 8, 10]), np.arange(24)[::-1], labels_of(STREAM))
    data = to_parquet(asked, np.zeros((24, 2), np.float32), "compact")
    file.write_bytes(data)
    manifest = runs[1].folder(2) / "manifest.json"
    seals = json.loads(manifest.read_bytes())
    manifest.write_text(json.dumps(seals | {file.name: seal(data).model_dump()}))
    with pytest.raises(ClbenchError, match=r"-1: version 2 was asked other samples than .*-0"):
        _ = Sides(crowd_of_runs(runs), None).margins["test"]


def test_crowds_of_other_streams_or_questions_are_not_compared():
    mine = array_crowd("mine", UNLEARNED)
    other = array_crowd("other", UNLEARNED, stream=forgetting(fingerprint="1" * 64))
    with pytest.raises(
        ClbenchError, match=r"mine and other are of other streams \(ffff.* and 1111"
    ):
        mine.check_comparable(other)
    labels, ids = labels_of(STREAM), np.arange(24)
    shuffled = Crowd("shuffled", STREAM, [0], ArrayAnswers(ids[::-1], labels, {}))
    with pytest.raises(ClbenchError, match="asked other samples, or in another order"):
        mine.check_comparable(shuffled)
    relabelled = Crowd("relabelled", STREAM, [0], ArrayAnswers(ids, labels[::-1], {}))
    with pytest.raises(ClbenchError, match="mine and relabelled were asked other labels"):
        mine.check_comparable(relabelled)


def test_arrays_that_do_not_fit_each_other_are_refused():
    labels = labels_of(STREAM)
    columns = {2: {"margin": UNLEARNED, "predicted": UNLEARNED[:2]}}
    with pytest.raises(
        ClbenchError, match=r"of the same models; got margin of version 2 \(3, 24\)"
    ):
        ArrayAnswers(np.arange(24), labels, columns)
