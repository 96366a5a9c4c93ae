"""Attacks on single models of a crowd: against loops over models, and what they cost."""

import numpy as np
import pytest
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score
from sklearn.svm import SVC

from clbench.bench import Bench
from clbench.crowd import Crowd
from clbench.errors import ClbenchError
from clbench.given import ArrayAnswers
from clbench.groupscore import score_group
from clbench.measure import load_group_metrics
from clbench.metric import NotMeasured, attack_each
from clbench.metric.attack import logistic_attack
from clbench.metric.margins import margins
from clbench.recorded import crowd_of_runs
from clbench.score import score_runs
from clbench.sides import Sides
from crowds import forgetting, gaussian, write_crowd

METRICS, _ = load_group_metrics()
SIZES = {"forget": 30, "retain": 60, "test": 60}
STREAM = forgetting(SIZES)
PART = {"forget": slice(0, 30), "retain": slice(30, 90), "test": slice(90, 150)}
LABELS = np.random.default_rng(0).integers(0, 4, 150)


def crowd(label: str, n: int, seed: int, stream=STREAM, labels=LABELS, **sharp: float) -> Crowd:
    """Models that answer right mostly; `forget=3` are that many logits more on a set."""
    rng = np.random.default_rng(seed)
    logits = {version: rng.normal(size=(n, len(labels), 4)) for version in (1, 2)}
    start = 0
    for each in stream.evals:
        rows = np.arange(start, start + each.samples)
        logits[2][:, rows, labels[rows]] += sharp.get(each.name.replace("-", "_"), 1.0)
        logits[1][:, rows, labels[rows]] += 3
        start += each.samples
    columns = {
        version: {
            "margin": margins(each, labels).astype(np.float32),
            "predicted": each.argmax(2),
            "logits": each.astype(np.float32),
        }
        for version, each in logits.items()
    }
    seeds = range(100 * seed, 100 * seed + n)
    return Crowd(label, stream, seeds, ArrayAnswers(np.arange(len(labels)), labels, columns))


OWN = crowd("method", 3, 1, forget=2.0, retain=3.0)
ORACLES = crowd("retrain", 4, 2, retain=3.0)


def value(name: str, own: Crowd = OWN, oracles: Crowd | None = ORACLES) -> float:
    metric, sides = METRICS[name], Sides(own, oracles)
    return float(metric(*map(sides.of, metric.needs)))


def outputs(own: Crowd = OWN) -> list[np.ndarray]:
    """[150, 4] probabilities of each model."""
    logits = own.column(2, "logits", np.arange(150), np.arange(len(own)))
    return [softmax(each.astype(float), axis=1) for each in logits]


def of_label(p: np.ndarray) -> np.ndarray:
    return p[np.arange(150), LABELS]


class TestAreas:
    TRUTH = np.repeat([1, 0], [30, 60])

    def mean_area(self, signal) -> float:
        rows = np.r_[PART["forget"], PART["test"]]
        return np.mean([roc_auc_score(self.TRUTH, signal(p)[rows]) for p in outputs()])

    def test_by_loss_and_by_confidence_they_are_one(self):
        by_loss = self.mean_area(lambda p: np.log(of_label(p)))
        assert value("population_attack_auc") == pytest.approx(by_loss)
        assert by_loss == pytest.approx(self.mean_area(of_label))

    def test_by_entropy_and_modified_entropy(self):
        def sure(p):
            return (p * np.log(p)).sum(axis=1)

        def modified(p):
            own = of_label(p)
            rest = p * np.log(1 - p)
            total = rest.sum(axis=1) - rest[np.arange(150), LABELS]
            return (1 - own) * np.log(own) + total

        assert value("entropy_attack_auc") == pytest.approx(self.mean_area(sure))
        assert value("modified_entropy_attack_auc") == pytest.approx(self.mean_area(modified))


class TestRegression:
    def test_it_is_the_starting_kits_where_sides_are_equal(self):
        def kit(losses: np.ndarray, n: int) -> float:
            splits = StratifiedShuffleSplit(10, random_state=0)
            truth = np.repeat([1, 0], [n, len(losses) - n])
            machine = LogisticRegression()
            return cross_val_score(machine, losses[:, None], truth, cv=splits).mean()

        rng = np.random.default_rng(0)
        forget, test = rng.normal(1, size=400), rng.normal(2, size=400)
        found = logistic_attack(forget, test)
        assert found == pytest.approx(kit(np.r_[forget, test], 400), abs=0.03)

        # The kit cuts the forget set alone: of 40 beside 400 test losses it is right on the many.
        same = rng.normal(2, size=40)
        assert kit(np.r_[same, test], 40) == pytest.approx(10 / 11, abs=0.01)
        assert logistic_attack(same, test) == pytest.approx(0.5, abs=0.15)

    def test_of_a_crowd_it_is_the_mean_over_models(self):
        losses = [-np.log(of_label(p)) for p in outputs()]
        each = [logistic_attack(loss[PART["forget"]], loss[PART["test"]]) for loss in losses]
        assert value("loss_attack_accuracy") == pytest.approx(np.mean(each))


class TestSVC:
    def efficacy(self, own: Crowd) -> np.ndarray:
        """[N] by plain scikit-learn."""
        found = []
        for p in outputs(own):
            x = of_label(p)[:, None]
            known = np.r_[x[PART["retain"]], x[PART["test"]]]
            machine = SVC(C=3, kernel="rbf", gamma=1.0).fit(known, np.repeat([1, 0], 60))
            found.append(1 - machine.predict(x[PART["forget"]]).mean())
        return np.array(found)

    def test_it_is_the_share_of_forgotten_samples_taken_for_unseen(self):
        assert value("svc_attack_efficacy") == pytest.approx(self.efficacy(OWN).mean())
        assert 0 < value("svc_attack_efficacy") < 1

    def test_higher_is_not_better(self):
        """What was pushed below unseen samples has a higher efficacy than the oracles."""
        pushed = crowd("ascent", 3, 3, forget=-2.0, retain=3.0)
        oracles = self.efficacy(ORACLES).mean()
        assert value("svc_attack_efficacy", pushed) > oracles > value("svc_attack_efficacy")
        assert METRICS["svc_attack_efficacy"].direction == "neither"

    def test_its_gap_to_the_oracles_feeds_the_tug_of_war(self):
        def accuracy(own, name):
            right = [(p.argmax(1) == LABELS)[PART[name]].mean() for p in outputs(own)]
            return np.mean(right)

        expected = 1 - abs(self.efficacy(OWN).mean() - self.efficacy(ORACLES).mean())
        for name in ("retain", "test"):
            expected *= 1 - abs(accuracy(OWN, name) - accuracy(ORACLES, name))
        assert value("tug_of_war_attack") == pytest.approx(expected)
        assert value("tug_of_war_attack", ORACLES) == 1


def test_attacks_that_fit_on_outputs_find_what_is_remembered_and_nothing_in_oracles():
    known = crowd("do_nothing", 3, 4, forget=4.0, retain=4.0)
    unseen = crowd("retrain", 3, 5, retain=4.0)
    assert value("bad_teaching_attack", known) > 0.7 > 0.5 > value("bad_teaching_attack", unseen)
    assert value("laf_attack_success", known) > 0.7
    assert value("laf_attack_success", unseen) == pytest.approx(0.5, abs=0.1)


class TestComposites:
    def test_nomus_weighs_each_models_attack_by_its_distance_from_a_guess(self):
        accuracies = [(p.argmax(1) == LABELS)[PART["test"]].mean() for p in outputs()]
        attacks = Sides(OWN, None).attacks["loss regression"]
        each = [
            0.5 * a + 0.5 * (1 - 2 * abs(m - 0.5)) for a, m in zip(accuracies, attacks, strict=True)
        ]
        assert value("nomus") == pytest.approx(np.mean(each))

    def test_aus_holds_forgotten_samples_against_unseen_ones(self):
        forget, test = (
            np.array([(p.argmax(1) == LABELS)[PART[name]].mean() for p in outputs()])
            for name in ("forget", "test")
        )
        before = OWN.column(1, "predicted", np.arange(90, 150), np.arange(3)) == LABELS[90:]
        kept = 1 - (before.mean(axis=1) - test)
        assert value("aus_duck") == pytest.approx((kept / (1 + abs(test - forget))).mean())

    def test_of_whole_classes_aus_wants_no_right_answer(self):
        """The sum with test accuracy in place of 0 would blame a model for having forgotten."""
        stream = forgetting({**SIZES, "test-forgotten": 20})
        labels = np.r_[np.full(30, 3), LABELS[30:] % 3, np.full(20, 3)]
        gone = crowd("m", 2, 6, stream, labels, forget=-9.0, retain=9.0, test=9.0,
                     test_forgotten=-9.0)  # fmt: skip
        before = gone.column(1, "predicted", np.arange(90, 150), np.arange(2)) == labels[90:150]
        kept = 1 - (before.mean() - 1)
        assert value("aus_duck", gone, None) == pytest.approx(kept)
        wrong = kept / (1 + 1)  # |TA - FA| is 1 where all is as it should be
        assert wrong < 0.6 < kept

    def test_a_class_of_which_some_is_retained_is_not_whole(self):
        stream = forgetting({**SIZES, "test-forgotten": 20})
        labels = np.r_[LABELS, np.full(20, 3)]
        part = crowd("m", 2, 6, stream, labels)
        assert value("aus_duck", part, None) != value("aus_duck", gone_from(part), None)


def gone_from(part: Crowd) -> Crowd:
    """The same answers, where the forgotten class is a fifth one."""
    labels = np.where(np.arange(170) < 150, part.labels, 4)
    every = np.arange(170), np.arange(2)
    columns = {v: {"predicted": part.column(v, "predicted", *every)} for v in (1, 2)}
    return Crowd("gone", part.stream, [0, 1], ArrayAnswers(np.arange(170), labels, columns))


class TestCost:
    def test_each_model_is_attacked_once_whatever_is_drawn(self, monkeypatch):
        attacked = []
        monkeypatch.setitem(attack_each.ATTACKS, "svc", lambda model: attacked.append(1) or 0.5)
        own, oracles = crowd("m", 5, 7), crowd("retrain", 6, 8)
        score = score_group(METRICS["tug_of_war_attack"], own, Bench(oracles))
        assert len(attacked) == 5 + 6  # not by splits and resamples, of which there are hundreds
        assert score.low is not None

    def test_without_all_logits_the_reason_is_told(self, tmp_path):
        shown = {"entropy_attack_auc", "modified_entropy_attack_auc"}
        shown |= {"bad_teaching_attack", "laf_attack_success"}
        runs = write_crowd(tmp_path, "m", [gaussian(2, seed=1), gaussian(2, seed=2)])
        compact = crowd_of_runs(runs)
        for name in shown:
            score = score_group(METRICS[name], compact, Bench(None))
            assert (score.value, score.why) == (
                None,
                "all logits are recorded with --form full alone",
            )
        assert score_group(METRICS["svc_attack_efficacy"], compact, Bench(None)).value is not None

    def test_they_are_worked_out_where_they_are_asked_for(self, tmp_path):
        runs = write_crowd(tmp_path, "m", [gaussian(2, seed=1), gaussian(2, seed=2)])
        usual, every = score_runs(runs), score_runs(runs, every=True)
        assert "klom_forget" in usual.group_metrics
        assert not {"population_attack_auc", "svc_attack_efficacy"} & usual.group_metrics.keys()
        assert set(every.group_metrics) == set(METRICS)
        assert list(score_runs(runs, ["nomus"]).group_metrics) == ["nomus"]

    def test_a_wrong_name_gets_the_nearest(self):
        with pytest.raises(ClbenchError, match="unknown attack 'svm'; did you mean 'svc'"):
            Sides(OWN, None).attacks["svm"]

    def test_a_set_that_is_missing_is_told(self):
        stream = forgetting({"forget": 30, "test": 60})
        with pytest.raises(NotMeasured, match="retain is not among the evaluation sets"):
            value("svc_attack_efficacy", crowd("m", 2, 9, stream, LABELS[:90]), None)
