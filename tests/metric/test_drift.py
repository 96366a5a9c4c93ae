"""How far representations moved: what is compared, and the ends of the scales."""

import numpy as np
import pytest

from clbench.evidence import Evidence
from clbench.measure import measure
from clbench.metric import NotMeasured
from clbench.metric.drift import (
    backward_cka,
    backward_knn10_jaccard,
    backward_procrustes,
    forward_cka,
    forward_knn10_jaccard,
    knn_beyond_chance,
)
from clbench.metric.similarity.cka import linear_cka
from clbench.plugin import load
from fakes import random_run, stream_record
from tiny import tiny_stream

RNG = np.random.default_rng(0)
LEARNT = np.repeat([1, 2, 3], 40)
BACKWARD = (backward_cka, backward_procrustes, backward_knn10_jaccard)
FORWARD = (forward_cka, forward_knn10_jaccard)


def noise(d=5):
    return RNG.normal(size=(120, d))


@pytest.mark.parametrize("metric", [*BACKWARD, *FORWARD])
def test_a_model_that_stays_but_for_a_rotation_has_not_moved(metric):
    same, turn = noise(), np.linalg.qr(noise(5)[:5])[0]
    best = metric.range[1] if metric.direction == "higher" else metric.range[0]
    found = metric([noise(), same, same @ turn, 3 * same], LEARNT)
    assert found == pytest.approx(best, abs=1e-9)


@pytest.mark.parametrize("metric", [backward_cka, backward_knn10_jaccard, *FORWARD])
def test_a_model_that_is_drawn_anew_at_each_update_is_at_chance(metric):
    found = np.mean([metric([noise() for _ in range(4)], LEARNT) for _ in range(8)])
    assert found == pytest.approx(0, abs=0.04)


def test_backward_looks_at_what_was_learnt_and_forward_at_what_was_to_come():
    last, moved = noise(), noise()
    first = np.where((LEARNT <= 1)[:, None], last, moved)  # only the first part stays
    second = np.where((LEARNT <= 2)[:, None], last, moved)
    run = [noise(), first, second, last]
    assert backward_cka(run, LEARNT) == pytest.approx(1)
    assert backward_procrustes(run, LEARNT) == pytest.approx(0, abs=1e-12)
    rest = [np.isin(LEARNT, later) for later in ((2, 3), (3,))]
    pairs = zip((first, second), rest, strict=True)
    expected = [linear_cka(version[rows], last[rows]) for version, rows in pairs]
    assert forward_cka(run, LEARNT) == pytest.approx(np.mean(expected))
    assert forward_cka(run, LEARNT) < 0.2


def test_the_starting_model_and_its_width_do_not_count():
    run = [np.full((120, 9), np.nan), noise(3), noise(4), noise(5)]
    assert np.isfinite(backward_cka(run, LEARNT))


def test_two_versions_are_none_that_moved():
    with pytest.raises(NotMeasured, match="two updates or more"):
        backward_cka([noise(), noise()], LEARNT)


def test_too_few_samples_are_a_reason():
    few = np.array([1, 1, 1, *[2] * 117])
    with pytest.raises(NotMeasured, match="there are 3 samples"):
        backward_cka([noise(), noise(), noise()], few)
    ten = np.array([1] * 10 + [2] * 110)
    with pytest.raises(NotMeasured, match="k is 10 for 10 samples"):
        backward_knn10_jaccard([noise(), noise(), noise()], ten)
    with pytest.raises(NotMeasured, match="all others among its 10 nearest"):
        knn_beyond_chance(noise()[:11], noise()[:11])


def test_runs_are_compared_on_the_probe_that_they_recorded(tmp_path):
    run = tiny_stream().play(load("methods", "finetune"), tmp_path)
    evidence = Evidence(run)
    learnt = evidence.gallery_learnt
    assert learnt.tolist() == (1 + evidence.gallery_labels // 2).tolist()  # two classes an update
    assert [each.shape for each in evidence.galleries] == [(60, 256)] * 4
    for metric in (*BACKWARD, *FORWARD):
        assert 0 < measure(metric, evidence).value < 1
    assert measure(backward_cka, evidence).value > 0.5  # the same backbone, trained on


def test_a_run_without_embeddings_has_no_drift(tmp_path):
    run = random_run(tmp_path, stream_record())
    score = measure(backward_cka, Evidence(run))
    assert (score.value, score.why) == (None, "version 0 holds no embeddings")
