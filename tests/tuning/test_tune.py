"""Tuning: the optimum is found, the budget is equal, and nothing evaluated is opened."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from clbench import opening, running
from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.options import Options
from clbench.recorded import crowd_of_runs
from clbench.sides import Sides
from clbench.tuning import study
from clbench.tuning.search import Budget, Search, Trial
from clbench.tuning.study import load_objective, tune

FILE = Path(__file__).with_name("searched_methods.py")
SOURCE = "synthetic,per_class=40,test_per_class=2,dim=4"
PEAKED, MIXED, PICKY, DIVERGES, HOPELESS = (
    f"{FILE}:{name}" for name in ("Peaked", "Mixed", "Picky", "Diverges", "Hopeless")
)


@pytest.fixture(autouse=True)
def quick_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.fsync", lambda descriptor: None)


def search(
    root: Path, *methods: str, trials: int = 12, objective: str = "final_accuracy", **given: Any
) -> list[Search]:
    options = Options(out=root, source=SOURCE, threads=1)
    budget = Budget(trials, load_objective(objective), given.pop("seeds", (0,)), **given)
    return tune(options.cells(methods, ["split-digits"], [0]), budget, 1)


def summary(trials: Sequence[Trial]) -> list[tuple[Any, ...]]:
    return [(t.setting, t.value, t.why, t.flops) for t in trials]


class TestTheSearch:
    def test_a_known_optimum_is_found(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, PEAKED, trials=25)
        assert abs(found.best.setting["x"] - 0.3) < 0.05
        assert found.best.value == max(t.value for t in found.trials if t.value is not None)
        assert found.chosen()["x"] == found.best.setting["x"]
        record = found.tuning()
        assert record.default == found.trials[0].value
        assert record.value > 2 * record.default

    def test_at_random_too(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, PEAKED, sampler="random")
        assert len({t.setting["x"] for t in found.trials}) == 12

    def test_the_first_trial_is_what_runs_without_tuning(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, PEAKED, trials=1)
        assert [t.setting for t in found.trials] == [{"x": 0.9}]
        assert found.chosen() == found.record.hyperparameters

    def test_lower_is_better_where_the_metric_says_so(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, PEAKED, objective="negative_log_likelihood", trials=6)
        assert found.best.value == min(t.value for t in found.trials if t.value is not None)

    def test_the_value_is_the_mean_over_seeds(self, tmp_path: Path) -> None:
        (both,) = search(tmp_path, PEAKED, trials=2, seeds=(0, 1))
        assert {len(t.runs) for t in both.trials} == {2}
        assert both.tuning().seeds == (0, 1)

    def test_what_fails_counts_and_is_not_chosen(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, DIVERGES)
        assert found.tuning().used == 12
        assert 1 <= found.tuning().failed == sum(t.value is None for t in found.trials)
        assert found.trials[0].why == "training diverged"
        assert found.tuning().default is None
        assert found.best.setting["x"] <= 0.5

    def test_a_setting_that_is_refused_is_a_trial_that_failed(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, PICKY)
        refused = [trial for trial in found.trials if trial.setting["x"] > 0.6]
        assert refused
        assert {(t.value, t.runs, t.why[-11:]) for t in refused} == {(None, (), "0.6 at most")}
        assert [trial.number for trial in found.trials] == list(range(12))
        assert found.best.setting["x"] <= 0.6

    def test_the_setting_it_starts_from_is_refused_at_once(self, tmp_path: Path) -> None:
        cells = Options(out=tmp_path, source=SOURCE, set_=["x=0.7"]).cells(
            [PICKY], ["split-digits"], [0]
        )
        with pytest.raises(ClbenchError, match=r"x is 0.7; 0.6 at most"):
            tune(cells, Budget(2, load_objective("final_accuracy"), (0,)), 1)

    def test_a_method_that_only_fails_stops_it(self, tmp_path: Path) -> None:
        complaint = "none of 10 trials of .*Hopeless on split-digits.tuning has a value: training"
        with pytest.raises(ClbenchError, match=complaint):
            search(tmp_path, HOPELESS)


class TestTheBudget:
    def test_it_is_the_same_for_all(self, tmp_path: Path) -> None:
        found = search(tmp_path, PEAKED, MIXED, "nmc")
        assert [len(each.trials) for each in found] == [12, 12, 1]
        records = [each.tuning() for each in found]
        assert len({record.budget for record in records}) == 1
        assert [record.text for record in records] == ["12 trials", "12 trials", "1 of 12 trials"]
        assert records[2].space == {}

    def test_flops_of_all_trials_are_told(self, tmp_path: Path) -> None:
        (found,) = search(tmp_path, "finetune", trials=2)
        runs = [running.Ledger(Path(path)) for trial in found.trials for path in trial.runs]
        spent = [run.read_json(v, "cost.json")["flops_learn"] for run in runs for v in range(6)]
        assert found.tuning().flops == sum(spent) > 0


class TestStopping:
    def test_it_goes_on_to_the_same_end_and_trains_nothing_twice(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (whole,) = search(tmp_path / "whole", PEAKED, trials=13)
        real, rounds = study.make_runs, iter("..x")

        def stopped(*arguments: Any) -> Any:
            if next(rounds) == "x":
                raise KeyboardInterrupt
            return real(*arguments)

        with monkeypatch.context() as patch:
            patch.setattr(study, "make_runs", stopped)
            with pytest.raises(KeyboardInterrupt):
                search(tmp_path / "half", PEAKED, trials=13)
        files = {p: p.stat().st_mtime_ns for p in (tmp_path / "half").rglob("versions/*/*")}
        assert len({p.parents[2] for p in files}) == 11
        (again,) = search(tmp_path / "half", PEAKED, trials=13)
        assert summary(again.trials) == summary(whole.trials)
        assert {p: p.stat().st_mtime_ns for p in files} == files

    def test_more_trials_later_begin_with_those_before(self, tmp_path: Path) -> None:
        (few,) = search(tmp_path, PEAKED, trials=11)
        (more,) = search(tmp_path, PEAKED, trials=13)
        assert summary(more.trials[:11]) == summary(few.trials)


class TestTheStream:
    @pytest.mark.parametrize(
        ("on_test", "opened"), [(False, "split-digits+tuning"), (True, "split-digits")]
    )
    def test_the_evaluated_one_is_not_opened_unless_asked(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, on_test: bool, opened: str
    ) -> None:
        names = []

        def noting(name: str, **options: Any) -> opening.Opened:
            names.append(name)
            return opening.open_preset(name, **options)

        running._open.cache_clear()
        monkeypatch.setattr(running, "open_preset", noting)
        (found,) = search(tmp_path, PEAKED, trials=2, on_test=on_test)
        assert set(names) == {opened}
        assert found.tuning().on_test is on_test
        assert found.tuning().text == "2 trials" + ", ON TEST" * on_test
        running._open.cache_clear()


class TestTheObjective:
    @pytest.mark.parametrize(
        ("name", "complaint"),
        [
            ("final_acuracy", "unknown metric 'final_acuracy'; did you mean 'final_accuracy'"),
            ("mcnemar_last_update", "mcnemar_last_update has no better or worse"),
            ("intransigence", "intransigence needs joint_accuracy, the run of another method"),
        ],
    )
    def test_one_that_cannot_be(self, name: str, complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            load_objective(name)

    def test_one_that_has_no_value_here(self, tmp_path: Path) -> None:
        complaint = "forward_transfer is not measured: version 0 was not asked"
        with pytest.raises(ClbenchError, match=complaint):
            search(tmp_path, PEAKED, objective="forward_transfer", trials=1)


class TestOfManyModels:
    """Objectives that hold the runs of a trial against oracles."""

    def found(self, root: Path) -> Search:
        options = Options(out=root, source=SOURCE, threads=1, protocol=["epochs=2"])
        budget = Budget(2, load_objective("average_gap"), (0, 1))
        cells = options.cells(["gradient_ascent"], ["forget-digits-random"], [0])
        return tune(cells, budget, 1)[0]

    def test_trials_are_held_against_oracles_of_the_tuning_stream(self, tmp_path: Path) -> None:
        search = self.found(tmp_path)
        records = [ledger.record for ledger in search.oracles]
        assert {record.method.name for record in records} == {"retrain"}
        assert {record.stream.fingerprint for record in records} == {
            search.record.stream.fingerprint
        }
        assert len({record.seed for record in records} - {0, 1}) == 5

    def test_the_value_is_that_of_the_crowd(self, tmp_path: Path) -> None:
        search = self.found(tmp_path)
        oracles = crowd_of_runs(search.oracles)
        for trial in search.trials:
            crowd = crowd_of_runs([Ledger(Path(run)) for run in trial.runs])
            sides = Sides(crowd, oracles)
            expected = search.budget.objective(
                *(sides.of(need) for need in search.budget.objective.needs)
            )
            assert trial.value == pytest.approx(expected)
        assert search.best.value == min(trial.value for trial in search.trials if trial.value)

    def test_what_oracles_are_trained_by_is_not_searched(self, tmp_path: Path) -> None:
        cells = Options(out=tmp_path).cells(["dmm"], ["forget-digits-random"], [0])
        names = {
            objective: {
                each.name
                for each in Search(
                    "forget-digits-random", cells[0], Budget(2, load_objective(objective), (0,))
                ).space
            }
            for objective in ("average_gap", "average_accuracy")
        }
        assert names["average_accuracy"] - names["average_gap"] == {"training.lr"}

    def test_a_stream_that_forgets_nothing_is_refused(self, tmp_path: Path) -> None:
        with pytest.raises(ClbenchError, match="forget"):
            search(tmp_path, PEAKED, trials=1, objective="average_gap")
