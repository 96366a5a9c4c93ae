"""ZRF against models that never learnt: runs of random_init, paired in turn."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.special import softmax

from clbench.bench import Bench
from clbench.crowd import Crowd
from clbench.given import ArrayAnswers
from clbench.groupscore import score_group
from clbench.measure import load_group_metrics
from crowds import STREAM
from fakes import labels_of

ZRF = load_group_metrics(["zero_retrain_forgetting"])[0]["zero_retrain_forgetting"]
LABELS = labels_of(STREAM)
FORGET = 6  # samples that are asked first


def crowd(name: str, seeds: list[int], scale: float) -> Crowd:
    rng = np.random.default_rng(len(name))
    logits = rng.normal(size=(len(seeds), len(LABELS), 2)) * scale
    columns = {version: {"logits": logits} for version in (1, 2)}
    return Crowd(name, STREAM, seeds, ArrayAnswers(np.arange(len(LABELS)), LABELS, columns))


def logits_of(group: Crowd) -> np.ndarray:
    every = np.arange(len(group))
    return group.column(2, "logits", np.arange(FORGET), every)


def test_it_is_one_minus_the_mean_divergence_from_untrained_models() -> None:
    own, untrained = crowd("method", [0, 1, 2], 3), crowd("random_init", [0, 1], 0.1)
    found = score_group(ZRF, own, Bench(None, None, untrained=untrained)).value
    pairs = zip(logits_of(own), logits_of(untrained)[[0, 1, 0]], strict=True)
    distances = [
        jensenshannon(softmax(p), softmax(q), base=2) ** 2
        for one, two in pairs
        for p, q in zip(one, two, strict=True)
    ]
    assert found == pytest.approx(1 - np.mean(distances), abs=1e-6)


def test_untrained_models_are_as_they_are() -> None:
    untrained = crowd("random_init", [0, 1], 0.1)
    bench = Bench(None, None, untrained=untrained)
    assert score_group(ZRF, untrained, bench).value == pytest.approx(1)


def test_without_untrained_models_it_is_not_measured() -> None:
    found = score_group(ZRF, crowd("method", [0, 1], 3), Bench(None))
    assert found.value is None
    assert found.why == "no finished run of random_init on this stream"
