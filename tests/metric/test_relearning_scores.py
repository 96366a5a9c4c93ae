"""Relearning, recovery and collateral damage over many models, from arrays made by hand."""

from dataclasses import replace

import numpy as np
import pytest

from clbench.bench import Bench
from clbench.groupscore import score_group
from clbench.measure import load_group_metrics
from clbench.metric import NotMeasured
from clbench.metric.relearnt import Relearning
from clbench.metric.unlearned_relearning import (
    anamnesis_index,
    collateral_damage,
    collateral_excess,
    full_recovery,
    head_recovery,
    prototype_recovery,
    relearn_epochs,
    relearn_steps,
)
from clbench.relearnfile import Curve, Missing, Original, Recovery, Relearnt
from clbench.relearnt import Attacks
from clbench.sides import Sides
from crowds import array_crowd, gaussian

STEPS = np.array([0, 2, 4, 6, 8])  # an epoch is 4


def curves(*accuracy: list[float], loss: list[list[float]] | None = None, of: float = 1.0):
    table = np.array(accuracy)
    losses = np.array(loss) if loss else 1 - table
    return Relearning(STEPS, 4, table, losses, np.full(len(table), of), np.full(len(table), 0.25))


SLOW, FAST = [0, 0.1, 0.2, 0.9, 0.96], [0.2, 0.96, 1, 1, 1]
NEVER = [0, 0, 0, 0, 0.5]


class TestRelearnTime:
    def test_it_is_in_steps_that_were_done_and_not_in_looks(self) -> None:
        """Public code looks after every step; an index into fewer looks would be a fraction."""
        assert relearn_steps(curves(SLOW)) == 8
        assert relearn_steps(curves(FAST)) == 2
        assert relearn_steps(curves(SLOW, FAST)) == 5

    def test_what_was_never_lost_takes_no_step(self) -> None:
        assert relearn_steps(curves([0.95, 1, 1, 1, 1])) == 0
        assert relearn_steps(curves([0.94, 1, 1, 1, 1])) == 2
        assert relearn_steps(curves([0.77, 1, 1, 1, 1], of=0.8)) == 0

    def test_what_was_never_known_cannot_come_back(self) -> None:
        """An accuracy of 0 is within 5 % of 0 at once: that original would be relearnt in 0."""
        with pytest.raises(NotMeasured, match="originals answer none of it right"):
            relearn_steps(curves(SLOW, of=0))
        one = replace(curves(SLOW, FAST), original_accuracy=np.array([1.0, 0.0]))
        assert relearn_steps(one) == 8

    def test_what_does_not_come_back_counts_with_the_budget(self) -> None:
        """Leaving such models out would call the best forgetting the fastest relearning: 2."""
        assert relearn_steps(curves(FAST, NEVER)) == (2 + 8) / 2
        assert relearn_steps(curves(NEVER)) == 8

    def test_epochs_go_by_the_loss_at_their_ends(self) -> None:
        losses = [[4, 0.1, 3, 2, 0.25], [0.25, 1, 1, 1, 1], [4, 1, 1, 1, 1]]
        found = curves(SLOW, SLOW, SLOW, loss=losses)
        assert relearn_epochs(found) == (2 + 0 + 2) / 3

    def test_a_loss_that_differs_by_rounding_is_the_same(self) -> None:
        assert relearn_epochs(curves(SLOW, loss=[[0.25 + 1e-9, 1, 1, 1, 1]])) == 0

    def test_the_index_is_the_ratio_to_the_oracles(self) -> None:
        assert anamnesis_index(curves(FAST), curves(SLOW)) == pytest.approx(2.01 / 8.01)
        assert anamnesis_index(curves(SLOW, FAST), curves(SLOW, FAST)) == 1

    def test_oracles_that_all_fail_say_nothing(self) -> None:
        with pytest.raises(NotMeasured, match="no oracle learns it again within 8 steps"):
            anamnesis_index(curves(FAST), curves(NEVER, NEVER))
        assert anamnesis_index(curves(FAST), curves(NEVER, SLOW[:4] + [1])) < 1  # noqa: RUF005


class TestRecovery:
    def test_it_is_the_mean_over_models_of_what_is_right_after(self) -> None:
        parts = {"head": [[0.0, 0.8], [0.5, 0.6]], "full": [[0, 1]], "prototypes": [[0.9, 0.1]]}
        given = {name: np.array(each) for name, each in parts.items()}
        assert head_recovery(given) == pytest.approx(0.7)
        assert full_recovery(given) == 1
        assert prototype_recovery(given) == pytest.approx(0.1)


LABELS, IDS = np.zeros(4, int), np.array([10, 11, 12, 13])
ORACLES = np.array([[0, 0, 0, 1], [0, 0, 0, 0]])
UNLEARNED = np.array([[1, 0, 0, 0], [0, 1, 0, 0]])


class TestBesideTheForgetSet:
    def of(self, metric, *neighbours: list[int]) -> float:
        arrays = ({"retain": each} for each in (UNLEARNED, ORACLES, LABELS, IDS))
        return metric(*arrays, tuple(map(np.array, neighbours)))

    def test_each_model_is_asked_about_the_neighbours_of_its_own_original(self) -> None:
        assert self.of(collateral_damage, [10], [11]) == 1
        assert self.of(collateral_damage, [11], [10]) == 0
        assert self.of(collateral_damage, [10, 11], [12, 99]) == 0.25
        assert self.of(collateral_damage, [13], [13]) == -0.5  # better than the oracles

    def test_damage_that_is_everywhere_is_no_excess(self) -> None:
        others = 2.5 / 3 - 3 / 3  # accuracies of oracles and model on 11, 12 and 13
        assert self.of(collateral_excess, [10], [11]) == pytest.approx(1 - others)

    def test_neighbours_that_nobody_asks_are_not_measured(self) -> None:
        with pytest.raises(NotMeasured, match="none of the forget set's neighbours was asked"):
            self.of(collateral_damage, [99], [99])


# -- through the machinery of many models ---------------------------------------------------


def recovered(correct: int) -> Recovery:
    return Recovery(taught=2, asked=10, before=0, correct=correct)


def attacks(models: int, first: int, head: int) -> Attacks:
    """Originals that know all 6 samples, models that relearn them `first` to `first` + 2 late."""
    records = []
    for late in first + np.arange(models) % 3:
        correct = tuple(6 if step >= late else 0 for step in range(41))
        curve = Curve(epoch=4, steps=tuple(range(41)), correct=correct, loss=(1.0,) * 41)
        part = recovered(head + int(late) % 2)
        records.append(
            Relearnt(recipe=1, forgotten=6, relearning=curve, head=part, full=part,
                     prototypes=part)
        )  # fmt: skip
    known = Original(recipe=1, forgotten=6, correct=6, loss=0.1, neighbours=(6, 7, 8))
    return Attacks((known,) * models, tuple(records))


@pytest.fixture(scope="module")
def bench() -> Bench:
    oracles = array_crowd("retrain", gaussian(12, seed=1), attacks=attacks(12, 20, 3))
    nothing = array_crowd("do_nothing", gaussian(6, seed=2), attacks=attacks(6, 0, 8))
    return Bench(oracles, nothing)


@pytest.mark.parametrize(
    ("name", "value"),
    [("relearn_steps", 5), ("anamnesis_index", 5 / 21), ("head_recovery", 0.83),
     ("full_recovery", 0.83), ("prototype_recovery", 0.83)],
)  # fmt: skip
def test_what_was_hidden_is_told_from_what_is_gone(bench, name, value) -> None:
    metric = load_group_metrics([name])[0][name]
    hidden = array_crowd("hidden", gaussian(6, seed=5), attacks=attacks(6, 4, 8), first_seed=50)
    again = array_crowd("again", gaussian(6, seed=6), attacks=attacks(6, 20, 3), first_seed=60)
    found, null = score_group(metric, hidden, bench), score_group(metric, again, bench)
    assert found.value == pytest.approx(value, rel=0.2)
    assert found.low is not None
    assert found.low <= found.value <= found.high
    assert found.told_apart
    assert not null.told_apart
    assert null.fraction == pytest.approx(1, abs=0.2)
    assert found.fraction < 0.4


def test_damage_is_scored_with_its_null(bench) -> None:
    metric = load_group_metrics(["collateral_damage"])[0]["collateral_damage"]
    margins = gaussian(6, seed=5)
    margins[:, 6:9] = -5  # retained samples 6, 7 and 8 are the neighbours
    crowd = array_crowd("clumsy", margins, attacks=attacks(6, 4, 8), first_seed=50)
    found = score_group(metric, crowd, bench)
    assert found.value > 0.8
    assert found.told_apart


def test_what_one_model_lacks_is_not_measured() -> None:
    given = attacks(2, 4, 8)
    lacking = given.unlearned[1].model_copy(update={"full": Missing(why="it has no network")})
    given = Attacks(given.originals, (given.unlearned[0], lacking))
    sides = Sides(array_crowd("m", gaussian(2), attacks=given), None)
    assert head_recovery(sides.recovery) > 0.7
    with pytest.raises(NotMeasured, match="it has no network"):
        full_recovery(sides.recovery)
    assert {*sides.recovery} == {"head", "full", "prototypes"}
    with pytest.raises(KeyError):
        _ = sides.recovery["foot"]


def test_a_crowd_without_attacks_says_so(bench) -> None:
    plain = array_crowd("plain", gaussian(6, seed=3), first_seed=90)
    for name in ("relearn_steps", "anamnesis_index", "head_recovery", "collateral_damage"):
        found = score_group(load_group_metrics([name])[0][name], plain, bench)
        assert (found.value, found.why) == (None, "relearning attacks were not recorded")


def test_records_that_contradict_themselves_are_refused() -> None:
    wrong = [
        (Curve, {"epoch": 2, "steps": (0, 2, 2), "correct": (0, 0, 0), "loss": (1, 1, 1)}),
        (Curve, {"epoch": 2, "steps": (1, 2), "correct": (0, 0), "loss": (1, 1)}),
        (Curve, {"epoch": 2, "steps": (0, 2), "correct": (0,), "loss": (1, 1)}),
        (Curve, {"epoch": 2, "steps": (0,), "correct": (0,), "loss": (1,)}),
        (Recovery, {"taught": 1, "asked": 5, "before": 0, "correct": 6}),
        (Original, {"recipe": 1, "forgotten": 5, "correct": 6, "loss": 1, "neighbours": ()}),
        (Original, {"recipe": 1, "forgotten": 5, "correct": 5, "loss": 1, "neighbours": (3, 3)}),
        (Original, {"recipe": 2, "forgotten": 5, "correct": 5, "loss": 1, "neighbours": ()}),
    ]
    for schema, values in wrong:
        with pytest.raises(ValueError, match=schema.__name__):
            schema(**values)
