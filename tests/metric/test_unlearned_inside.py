"""What unlearning changed inside: an edit of the head is exposed, whatever its answers say."""

from pathlib import Path

import numpy as np
import pytest

from clbench import plugin
from clbench.bench import Bench
from clbench.crowd import Crowd
from clbench.errors import ClbenchError
from clbench.given import ArrayAnswers
from clbench.groupscore import GroupScore, score_group
from clbench.measure import load_group_metrics
from clbench.recorded import crowd_of_runs
from clbench.running import load_method
from clbench.sides import Sides
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol
from crowds import forgetting
from tiny import Tiny

NAMES = (
    "oracle_cka",
    "oracle_procrustes",
    "oracle_knn10_jaccard",
    "original_cka",
    "original_knn10_jaccard",
    "forgotten_readout",
)
METRICS, _ = load_group_metrics(NAMES)
N, D, MODELS = 60, 8, 16
STREAM = forgetting({"forget": 4, "retain": 4, "test": 50, "test-forgotten": 10})
ORIGINAL, UNLEARNED = 1, 2
PROBE = np.arange(8, 68)  # ids of all test samples
LABELS = np.array([0] * 4 + [1] * 4 + [1] * 50 + [0] * 10)  # class 0 is forgotten


def world(forgotten: float, seed: int, change: float = 0.5) -> np.ndarray:
    """Embeddings of a model that tells class 0 apart so well, up to what its seed changes."""
    rng, shared = np.random.default_rng(seed), np.random.default_rng(0).normal(size=(N, D))
    apart = np.outer(LABELS[8:] == 0, 5 * np.eye(D)[0])
    turn = np.linalg.qr(rng.normal(size=(D, D)))[0]
    return (shared + forgotten * apart + change * rng.normal(size=(N, D))) @ turn


def crowd(label: str, unlearned: float | None, first: int = 0, probe=PROBE) -> Crowd:
    """Models of seeds `first` on; those whose `unlearned` is None keep their embeddings."""
    seeds = list(range(first, first + MODELS))
    originals = [world(1, 1000 + seed) for seed in seeds]
    after = originals if unlearned is None else [world(unlearned, 2000 + s) for s in seeds]
    embeddings = {ORIGINAL: (originals, probe), UNLEARNED: (after, probe)}
    ids = np.arange(len(LABELS))
    return Crowd(label, STREAM, seeds, ArrayAnswers(ids, LABELS, {}, embeddings=embeddings))


ORACLES, NOTHING = crowd("retrain", 0, first=100), crowd("do_nothing", None)
BENCH = Bench(ORACLES, NOTHING)


def score(name: str, unlearned: float | None) -> GroupScore:
    return score_group(METRICS[name], crowd("method", unlearned, first=50), BENCH)


@pytest.mark.parametrize("name", NAMES)
def test_an_edit_of_the_head_does_what_doing_nothing_does(name):
    found = score(name, None)
    assert found.told_apart
    assert found.fraction == pytest.approx(0, abs=0.2)


@pytest.mark.parametrize("name", NAMES)
def test_retraining_again_reaches_the_null(name):
    found = score(name, 0)
    assert found.value == pytest.approx(found.null, abs=0.1)
    assert found.fraction == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("name", ["original_cka", "original_knn10_jaccard"])
def test_what_did_not_move_is_the_original(name):
    assert score(name, None).value == pytest.approx(1)


def test_the_readout_is_of_forgotten_classes_alone():
    assert score("forgotten_readout", None).value > 0.9
    assert score("forgotten_readout", 0).value < 0.3


def test_a_stream_that_forgets_no_class_has_no_forgotten_readout():
    stream = forgetting({"forget": 4, "retain": 4, "test": 60})
    answers = ArrayAnswers(
        np.arange(68), LABELS, {}, embeddings={UNLEARNED: ([world(0, 1)], PROBE)}
    )
    found = score_group(METRICS["forgotten_readout"], Crowd("m", stream, [0], answers), Bench(None))
    assert "test-forgotten is not among the evaluation sets" in found.why


def test_runs_without_embeddings_say_so():
    bare = Crowd("m", STREAM, [0], ArrayAnswers(np.arange(68), LABELS, {}))
    assert "version 2 holds no embeddings" in score_group(METRICS["oracle_cka"], bare, BENCH).why


def test_embeddings_of_other_samples_are_refused():
    others = crowd("retrain", 0, first=100, probe=PROBE[::-1])
    with pytest.raises(ClbenchError, match="m and retrain embed other samples"):
        _ = Sides(crowd("m", 0), others).oracle_embeddings
    strangers = crowd("m", 0, probe=PROBE + 900)
    why = score_group(METRICS["forgotten_readout"], strangers, Bench(None)).why
    assert "samples that no evaluation set has" in why


@pytest.mark.parametrize(("name", "moved"), [("head_edit", False), ("finetune_retain", True)])
def test_recorded_runs_are_read_by_crowds(tmp_path: Path, name: str, moved: bool):
    source = synthetic(classes=4, per_class=40, test_per_class=10, dim=8)
    rules, forget = Protocol(epochs=2, retained=1.0), {"name": "class", "classes": [0]}
    stream = plugin.load("streams", "unlearning")(source, "small", rules, forget=forget)
    kind = load_method(name)
    runs = [
        Tiny(stream, source).play(kind, tmp_path, seed=seed, hyperparameters=dict(kind.quick))
        for seed in range(2)
    ]
    sides = Sides(crowd_of_runs(runs), None)
    before, after = sides.original_embeddings, sides.embeddings
    assert len(after) == 2
    assert np.array_equal(before, after) != moved
    assert len(sides.embedded_labels) == len(after[0]) == 40
    assert sides.embedded_forgotten.sum() == 10
    assert set(sides.embedded_labels[sides.embedded_forgotten]) == {0}
