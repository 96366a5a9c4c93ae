import json
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save
from scipy.special import log_softmax, softmax

from clbench.errors import ClbenchError
from clbench.evidence import Evidence
from clbench.ledger import Ledger
from clbench.metric import NotMeasured
from clbench.metric.flip_table import FlipTable
from fakes import answers, labels_of, random_run, stream_record, write_run, write_version

STREAM = stream_record(classes=[(0, 1), (2, 3)], sizes=[4, 2])  # labels 0 1 0 1 2 3


@pytest.fixture
def run(tmp_path) -> Ledger:
    versions = answers(STREAM, [], [0, 1, 0, 0], [0, 1, 2, 1, 2, 2])
    return write_run(tmp_path / "run", STREAM, versions)


def rewrite(ledger: Ledger, version: int, name: str, data: bytes) -> None:
    """Replace a file of a version together with its seal."""
    folder = ledger.folder(version)
    files = {p.name: p.read_bytes() for p in folder.iterdir() if p.name != "manifest.json"}
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()
    ledger.write(version, {**files, name: data})


def test_accuracy_is_that_of_each_version_on_each_set_it_was_asked(run):
    nan = np.nan
    expected = [[nan, nan], [0.75, nan], [0.75, 0.5]]
    np.testing.assert_array_equal(Evidence(run).accuracy, expected)


def test_questions_and_answers_come_back_row_by_row(run):
    evidence = Evidence(run)
    assert evidence.labels.tolist() == [0, 1, 0, 1, 2, 3]
    assert [each.tolist() for each in evidence.predicted] == [[], [0, 1, 0, 0], [0, 1, 2, 1, 2, 2]]
    assert [each.sum() for each in evidence.correct] == [0, 3, 4]
    assert evidence.sizes.tolist() == [4, 2]
    assert evidence.since.tolist() == evidence.learnt.tolist() == [1, 2]


def test_flips_are_on_what_the_older_version_had_learnt(run):
    assert Evidence(run).flips == (FlipTable(), FlipTable(nf=1, pf=1, rr=2))
    assert Evidence(run).flips_between(1, 2) == FlipTable(nf=1, pf=1, rr=2)


def test_confidence_and_likelihood_are_those_of_the_softmax_of_the_logits(tmp_path):
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(n, 4)).astype(np.float32) for n in (0, 4, 6)]
    evidence = Evidence(write_run(tmp_path, STREAM, logits))
    labels = labels_of(STREAM)
    np.testing.assert_allclose(evidence.confidence, softmax(logits[-1], 1).max(1), rtol=1e-5)
    expected = -log_softmax(logits[-1], axis=1)[np.arange(6), labels]
    np.testing.assert_allclose(evidence.nll, expected, rtol=1e-5)


def test_the_right_label_has_its_probability_at_every_version(tmp_path):
    rng = np.random.default_rng(0)
    logits = [rng.normal(size=(n, 4)).astype(np.float32) for n in (0, 4, 6)]
    found = Evidence(write_run(tmp_path, STREAM, logits)).right_probability
    for each, mine in zip(logits, found, strict=True):
        expected = softmax(each, axis=1)[np.arange(len(each)), labels_of(STREAM)[: len(each)]]
        np.testing.assert_allclose(mine, expected, rtol=1e-5)
    assert found[-1].max() <= 1


def embedded(tmp_path, *versions) -> Ledger:
    """The run with embeddings, [n, d] of test samples 5, 0, 3 and 1."""
    ids = np.array([5, 0, 3, 1])
    run = write_run(tmp_path, STREAM, [])
    logits = answers(STREAM, [], [0] * 4, [0] * 6)
    for version, (each, values) in enumerate(zip(logits, versions, strict=True)):
        write_version(run, version, each)
        content = {"embeddings": np.float32(values), "samples": ids[: len(values)]}
        rewrite(run, version, "embeddings.safetensors", save(content))
    return run


def test_embeddings_are_galleries_with_the_labels_of_their_samples(tmp_path):
    evidence = Evidence(embedded(tmp_path, np.zeros((4, 2)), np.ones((4, 2)), np.eye(4)))
    assert [each.shape for each in evidence.galleries] == [(4, 2), (4, 2), (4, 4)]
    assert evidence.gallery_labels.tolist() == [3, 0, 1, 1]


def test_a_run_without_embeddings_has_no_galleries(run):
    with pytest.raises(NotMeasured, match="version 0 holds no embeddings"):
        _ = Evidence(run).galleries


def test_galleries_of_other_samples_are_refused(tmp_path):
    run = embedded(tmp_path, np.zeros((4, 2)), np.ones((3, 2)), np.ones((4, 2)))
    with pytest.raises(ClbenchError, match="is of other samples than that of version 0"):
        _ = Evidence(run).galleries


def test_galleries_that_are_not_finite_are_refused(tmp_path):
    run = embedded(tmp_path, np.zeros((4, 2)), np.full((4, 2), np.nan), np.ones((4, 2)))
    with pytest.raises(ClbenchError, match="values that are not finite"):
        _ = Evidence(run).galleries


def test_a_sure_answer_has_confidence_1_and_not_above(tmp_path):
    versions = [100 * each for each in answers(STREAM, [], [0] * 4, [0] * 6)]
    assert Evidence(write_run(tmp_path, STREAM, versions)).confidence.max() <= 1


def test_costs_are_one_record_a_version(run):
    evidence = Evidence(run)
    assert [each.flops_learn for each in evidence.cost] == [100, 100, 100]
    assert [each.learn_seconds for each in evidence.clock] == [0.5, 0.5, 0.5]


def test_evidence_cannot_be_changed(run):
    evidence = Evidence(run)
    for name in ("accuracy", "labels", "sizes", "learnt", "confidence", "nll"):
        with pytest.raises(ValueError, match="read-only"):
            evidence.of(name)[...] = 0


def test_version_0_was_not_asked_in_a_class_incremental_stream(run):
    with pytest.raises(NotMeasured, match="version 0"):
        _ = Evidence(run).initial_accuracy


def domain_run(tmp_path) -> Ledger:
    """Two domains of the same classes, 2 samples each, asked from the start."""
    classes, since = [(0, 1), (0, 1)], [0, 0]
    stream = stream_record(classes, [2, 2], since, setting="domain-incremental")
    versions = answers(stream, [0, 0, 0, 1], [0, 1, 1, 1], [1, 1, 0, 1])
    return write_run(tmp_path / "domain", stream, versions)


def test_domains_are_learnt_one_an_update_and_asked_from_the_start(tmp_path):
    evidence = Evidence(domain_run(tmp_path))
    assert evidence.learnt.tolist() == [1, 2]
    assert evidence.initial_accuracy.tolist() == [0.5, 1.0]
    assert [each.sum() for each in evidence.known] == [0, 2, 4]
    # the second domain is not among the flips: version 1 has not learnt it
    assert evidence.flips == (FlipTable(), FlipTable(nf=1, rr=1))


def test_domains_that_do_not_pair_off_with_updates_are_not_guessed(tmp_path):
    run = domain_run(tmp_path)
    stream = run.record.stream.model_copy(update={"evals": run.record.stream.evals[:1]})
    versions = answers(stream, [0, 0], [0, 1], [1, 1])
    evidence = Evidence(write_run(tmp_path / "odd", stream, versions))
    with pytest.raises(NotMeasured, match="2 learning updates do not pair off with 1 evaluation"):
        _ = evidence.learnt


def test_a_set_that_no_update_teaches_is_known_from_the_start(tmp_path):
    stream = stream_record(classes=[(0, 1)], sizes=[4], since=[0])
    forget = stream.updates[0].model_copy(update={"kind": "forget"})
    stream = stream.model_copy(update={"updates": (forget,)})
    versions = answers(stream, [0, 1, 0, 1], [0, 1, 0, 0])
    evidence = Evidence(write_run(tmp_path, stream, versions))
    assert evidence.learnt.tolist() == [0]
    assert evidence.flips == (FlipTable(nf=1, rr=3),)


def test_sets_of_training_samples_do_not_count(tmp_path):
    stream = stream_record(
        classes=[(0, 1), (2, 3)], sizes=[4, 2], since=[1, 1], splits=["train", "test"]
    )
    versions = answers(stream, [], [0, 0, 0, 0, 2, 3], [0, 0, 0, 0, 2, 2])
    evidence = Evidence(write_run(tmp_path, stream, versions))
    assert evidence.labels.tolist() == [2, 3]
    assert [each.tolist() for each in evidence.predicted] == [[], [2, 3], [2, 2]]
    assert evidence.accuracy[1:].tolist() == [[1.0], [0.5]]


def test_a_stream_without_test_sets_has_nothing_to_measure_but_its_cost(tmp_path):
    stream = stream_record(classes=[(0, 1)], sizes=[2], splits=["train"])
    evidence = Evidence(write_run(tmp_path, stream, answers(stream, [], [0, 1])))
    with pytest.raises(NotMeasured, match="no evaluation set of test samples"):
        _ = evidence.accuracy
    assert len(evidence.cost) == 2


def test_an_empty_set_has_no_accuracy(tmp_path):
    stream = stream_record(classes=[(0,), (1,)], sizes=[2, 0])
    evidence = Evidence(write_run(tmp_path, stream, answers(stream, [], [0, 0], [0, 0])))
    with pytest.raises(NotMeasured, match="set 1 is empty"):
        _ = evidence.accuracy


def test_the_joint_control_is_another_run(run, tmp_path):
    with pytest.raises(NotMeasured, match="no finished run of joint with seed 0 on this stream"):
        _ = Evidence(run).joint_accuracy
    joint = Evidence(random_run(tmp_path / "joint", STREAM, skill=1.0, method="joint"))
    assert np.nanmin(Evidence(run, [joint]).joint_accuracy) == 1
    with pytest.raises(NotMeasured, match="2 set-ups of joint"):
        _ = Evidence(run, [joint, joint]).joint_accuracy


def test_an_unknown_name_comes_with_the_nearest(run):
    with pytest.raises(ClbenchError, match="unknown evidence 'labelz'; did you mean 'labels'"):
        Evidence(run).of("labelz")


def test_private_parts_are_no_evidence():
    assert not [name for name in Evidence.vocabulary() if name.startswith("_")]
    assert {"accuracy", "labels", "cost"} <= set(Evidence.vocabulary())


@pytest.mark.parametrize("name", ["predictions.parquet", "cost.json", "clock.json"])
def test_an_altered_file_is_named(run, name):
    file = run.folder(1) / name
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    with pytest.raises(ClbenchError, match=f"001/{name} was altered"):
        _ = Evidence(run).labels, Evidence(run).cost, Evidence(run).clock


def test_a_manifest_of_another_shape_is_named(run):
    (run.folder(1) / "manifest.json").write_bytes(b'{"cost.json": 3}')
    with pytest.raises(ClbenchError, match=r"001/manifest.json"):
        _ = Evidence(run).cost


def test_a_cost_without_a_field_is_named_with_the_field(run):
    rewrite(run, 2, "cost.json", json.dumps({"flops_learn": 1}).encode())
    with pytest.raises(ClbenchError, match=r"002/cost.json: flops_predict: Field required"):
        _ = Evidence(run).cost


def test_a_negative_cost_is_refused(run):
    cost = json.loads(run.read(2, "cost.json")) | {"state_bytes": -1}
    rewrite(run, 2, "cost.json", json.dumps(cost).encode())
    with pytest.raises(ClbenchError, match=r"002/cost.json: state_bytes"):
        _ = Evidence(run).cost


def test_rows_that_the_stream_does_not_ask_for_are_refused(run):
    rewrite(run, 1, "predictions.parquet", run.read(2, "predictions.parquet"))
    with pytest.raises(ClbenchError, match=r"001/predictions.parquet: column 'eval' has 6 rows"):
        _ = Evidence(run).labels


def test_other_questions_than_the_last_version_had_are_refused(run, tmp_path):
    classes = [(1, 0), (2, 3)]
    swapped = stream_record(classes=classes, sizes=[4, 2])
    other = write_run(tmp_path / "other", swapped, answers(swapped, [], [0] * 4, [0] * 6))
    rewrite(run, 1, "predictions.parquet", other.read(1, "predictions.parquet"))
    with pytest.raises(ClbenchError, match=r"001/.*column 'label' differs from that of version 2"):
        _ = Evidence(run).labels


def test_scoring_does_not_import_torch_or_scipy_stats():
    code = (
        "import sys; from clbench import score, summary, compare, measure; "
        "measure.load_metrics(); print({'torch', 'scipy.stats', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
