"""Planted faults on digits whose answers are known, in closed form: which scores see which.

Models are ridge heads on random features, another draw a seed, so that hundreds take a second and
fit the training samples nearly exactly: what they were trained on they remember.
"""

from functools import cache

import numpy as np
import pytest
from sklearn.datasets import load_digits

from clbench import groupscore
from clbench.audit.matrix import HONEST, Matrix, matrix
from clbench.bench import Bench
from clbench.crowd import Crowd
from clbench.given import ArrayAnswers
from clbench.grouping import GroupRow
from clbench.groupscore import score_group
from clbench.measure import load_group_metrics
from clbench.metric.margins import margins
from crowds import forgetting

SIZES = {"forget": 40, "retain": 260, "test": 200}
STREAM = forgetting(SIZES)
SHARPNESS = 8.0  # one-hot targets to logits
SEEDS = 20
ATTACKS = {"svc_attack_efficacy", "tug_of_war_attack", "aus_duck"}  # of those that take long


@cache
def digits():
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(x))[: sum(SIZES.values())]
    return x[order] / 16, y[order]


def features(seed: int):
    x, _ = digits()
    rng = np.random.default_rng(seed)
    return np.maximum(x @ rng.normal(size=(64, 500)) / 8 + rng.normal(size=500) / 4, 0)


def answers(seed: int, rows, repeats=1):
    """Logits [500, 10] of a head that was fitted on some of the samples."""
    z, y = features(seed), digits()[1]
    weights = np.where(np.isin(rows, np.arange(40)), repeats, 1)[:, None]
    kernel = (z[rows] * weights).T @ z[rows] + 0.3 * np.eye(500)
    head = np.linalg.solve(kernel, (z[rows] * weights).T @ np.eye(10)[y[rows]])
    return SHARPNESS * z @ head


FORGET, RETAIN = np.arange(40), np.arange(40, 300)
ALL = np.arange(300)


@cache
def original(seed: int):
    return answers(seed, ALL)


def head_only(seed: int, accuracy: float):
    """The original, with the least sure forgotten answers swapped until the accuracy fits."""
    logits, y = original(seed).copy(), digits()[1]
    found = margins(logits[:40], y[:40])
    for row in np.argsort(found)[: round(40 * (1 - accuracy))]:
        rival = np.argsort(np.where(np.arange(10) == y[row], -np.inf, logits[row]))[-1]
        own, other = logits[row, y[row]], logits[row, rival]
        logits[row, y[row]], logits[row, rival] = min(own, other), max(own, other)
    return logits


def crowd(label: str, make, seeds) -> Crowd:
    logits = np.stack([make(seed) for seed in seeds])
    before = np.stack([original(seed) for seed in seeds])
    _, y = digits()
    columns = {
        version: {"margin": margins(each, y).astype(np.float32), "predicted": each.argmax(2)}
        for version, each in ((1, before), (2, logits))
    }
    return Crowd(label, STREAM, seeds, ArrayAnswers(np.arange(len(y)), y, columns))


@pytest.fixture(scope="module")
def found() -> Matrix:
    metrics = {n: m for n, m in load_group_metrics()[0].items() if not m.costly or n in ATTACKS}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(groupscore, "RESAMPLES", 2)  # intervals are not what is tried here
        return scored(metrics)


def scored(metrics) -> Matrix:
    seeds, others = list(range(SEEDS)), list(range(100, 100 + SEEDS))
    oracles = crowd("retrain", lambda s: answers(s, RETAIN), list(range(2 * SEEDS)))
    nothing = crowd("do_nothing", original, seeds)
    bench = Bench(oracles, nothing)
    target = score_group(metrics["forget_accuracy"], oracles, bench).value
    assert 0.5 < target < 1
    planted = {
        "untouched": crowd("u", original, seeds),
        "head only": crowd("h", lambda s: head_only(s, target), seeds),
        "half": crowd("f", lambda s: answers(s, np.r_[FORGET[::2], RETAIN]), seeds),
        "destroyed": crowd("d", lambda s: answers(s, RETAIN[::20]), seeds),
        "again": crowd("a", lambda s: answers(s, ALL, repeats=20), seeds),
        HONEST: crowd("n", lambda s: answers(s, RETAIN), others),
    }
    rows = [
        GroupRow(
            "digits", STREAM.fingerprint, STREAM.source_fingerprint, each.label, True,
            tuple(each.seeds), {n: score_group(m, each, bench) for n, m in metrics.items()},
            "retrain",
        )
        for each in (*planted.values(), oracles)
    ]  # fmt: skip
    return matrix(rows, {fault: each.label for fault, each in planted.items()}, metrics)


def test_forget_accuracy_is_blind_to_an_edit_of_the_head(found):
    for metric in ("forget_accuracy", "forget_gap"):
        assert found.verdict("head only", metric) == "missed"
    for metric in ("klom_forget", "wasserstein_forget", "ulira", "population_attack_auc"):
        assert found.verdict("head only", metric) == "caught"


def test_an_attack_in_place_of_forget_accuracy_sees_an_edit_of_the_head(found):
    """The tug of war of accuracies calls it as good as retraining; its form with an attack not."""
    assert found.verdict("head only", "tug_of_war") == "missed"
    assert found.verdict("head only", "svc_attack_efficacy") == "caught"
    assert found.verdict("head only", "tug_of_war_attack") == "caught"


def test_what_is_remembered_is_taken_for_seen_and_what_is_destroyed_for_unseen(found):
    efficacy = {fault: each["svc_attack_efficacy"].value for fault, each in found.scores.items()}
    assert efficacy["again"] < efficacy["untouched"] < efficacy["half"] < efficacy[HONEST]
    assert efficacy[HONEST] + 0.1 < efficacy["destroyed"]  # the highest is not the best


def test_a_score_without_oracles_takes_a_model_that_forgot_nothing_for_unlearned(found):
    """AUS wants forgotten samples answered as well as unseen ones, whatever oracles do."""
    assert found.verdict("untouched", "aus_duck") == "missed"
    assert found.verdict("untouched", "tug_of_war") == "caught"


@pytest.mark.parametrize("fault", ["untouched", "again"])
def test_remembering_is_seen_by_all_that_look_at_what_was_to_go(found, fault):
    seen = set(found.caught(fault))
    assert {"forget_accuracy", "forget_gap", "forget_margin_shift", "klom_forget"} <= seen
    assert {"klom_forget_reverse", "wasserstein_forget", "ulira", "average_gap"} <= seen
    assert {"kolmogorov_smirnov_forget", "population_attack_auc", "tug_of_war"} <= seen


def test_doing_nothing_is_not_seen_on_what_was_to_be_kept(found):
    for metric in ("retain_accuracy", "retain_gap", "retain_negative_flips"):
        assert found.verdict("untouched", metric) == "missed"


def test_half_a_request_is_seen_and_lies_between(found):
    for metric in ("klom_forget", "wasserstein_forget", "forget_margin_shift", "ulira"):
        assert found.verdict("half", metric) == "caught"
        untouched, half = (found.scores[each][metric].fraction for each in ("untouched", "half"))
        assert abs(untouched) < 0.01 < half < 0.9


def test_destruction_is_seen_on_what_was_to_be_kept_and_by_distance_in_either_direction(found):
    assert found.scores["destroyed"]["forget_accuracy"].value < (
        found.scores[HONEST]["forget_accuracy"].value
    )  # "lower is better" would call it best
    assert {"forget_gap", "forget_margin_shift", "retain_accuracy", "test_accuracy"} <= set(
        found.caught("destroyed")
    )
    assert found.scores["destroyed"]["forget_margin_shift"].value < 0
    assert {"tug_of_war", "average_gap", "klom_retain", "klom_test"} <= set(
        found.caught("destroyed")
    )


def test_retraining_again_raises_next_to_no_alarm(found):
    assert len(found.caught(HONEST)) <= 2  # of some 28
    for metric in ("klom_forget", "wasserstein_forget", "average_gap", "forget_margin_shift"):
        assert found.verdict(HONEST, metric) == "missed"


def test_distances_rank_the_faults_as_they_were_planted(found):
    for metric in ("klom_forget", "wasserstein_forget", "ulira", "kolmogorov_smirnov_forget"):
        order = found.ranking(metric)
        assert order[0] == HONEST
        assert order.index("half") < order.index("untouched")
        assert order.index("half") < order.index("again")


def test_a_matrix_is_printed_with_a_word_for_each_cell(found):
    from rich.console import Console

    from clbench.audit.printing import detection_table, legend

    console = Console(width=80, color_system=None)
    with console.capture() as capture:
        console.print(detection_table(found))
        console.print(legend(found))
    text = capture.get()
    assert max(map(len, text.splitlines())) <= 80
    line = next(line for line in text.splitlines() if line.startswith("klom forget "))
    assert line.split() == ["klom", "forget", *["caught"] * 5, "missed"]
    assert "20 models a fault, 40 oracles" in " ".join(text.split())


def test_a_matrix_survives_json(found):
    import json

    record = json.loads(json.dumps(found.record(), allow_nan=False))
    assert record["verdicts"]["forget_gap"]["head only"] == "missed"
    assert record["rankings"]["klom_forget"][0] == HONEST
    assert record["scores"]["untouched"]["klom_forget"]["n"] == SEEDS
