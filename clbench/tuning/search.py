"""The search for one method on one stream: what was tried, what it came to, what is next."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from clbench.errors import ClbenchError
from clbench.ledger import Ledger
from clbench.method import Method
from clbench.metric import Metric
from clbench.reading import Cost, read_each
from clbench.record import RunRecord, TuningRecord
from clbench.running import load_method, planned, planned_record
from clbench.seeds import derive
from clbench.settings import RECIPE
from clbench.spec import merged, nested
from clbench.sweep import Cell, Outcome
from clbench.tunable import Tunable
from clbench.tuning.appraisal import Appraisal, judged
from clbench.tuning.sampler import Sampler, propose
from clbench.tuning.space import Setting, search_space, settled, starting_from, whole_names


@dataclass(frozen=True)
class Budget:
    """What every method is given: trials, an objective, seeds, a sampler; `on_test` is a flaw."""

    trials: int
    objective: Metric
    seeds: tuple[int, ...]
    sampler: Sampler = "tpe"
    on_test: bool = False


@dataclass(frozen=True)
class Trial:
    """A setting that was played, with all seeds. `value` is their mean; `why` says why none is."""

    number: int
    setting: Setting
    value: float | None
    why: str
    flops: int
    runs: tuple[str, ...]


@dataclass
class Search:
    """Trials of one method on one stream.

    `base` is the cell of a run that tries the setting it starts from, with any seed; `oracles` are
    what trials are held against, where the objective asks for them.
    """

    stream: str  # that the choice is for
    base: Cell
    budget: Budget
    trials: list[Trial] = field(default_factory=list)
    oracles: Sequence[Ledger] = ()

    def __post_init__(self) -> None:
        self.record: RunRecord = planned_record(self.base)
        self.start = settled(self.record.hyperparameters)
        kind = load_method(self.base.method)
        self.space: tuple[Tunable, ...] = starting_from(self._searched(kind), self.start)
        self.whole = whole_names(kind)
        self.sign = 1 if self.budget.objective.direction == "higher" else -1

    def _searched(self, kind: type[Method]) -> tuple[Tunable, ...]:
        space = search_space(kind)
        if not judged(self.budget.objective):
            return space
        # oracles are trained by the recipe, so that what they are held against has to be, too
        return tuple(each for each in space if each.name.partition(".")[0] not in RECIPE)

    @property
    def length(self) -> int:
        """How many trials will be played: a method without anything to tune has one setting."""
        return self.budget.trials if self.space else 1

    def ask(self, number: int) -> Setting:
        """The setting of a trial, given those before; the first is the one without any tuning."""
        if number == 0:
            return {each.name: self.start.get(each.name) for each in self.space}
        tried = [(t.setting, None if t.value is None else self.sign * t.value) for t in self.trials]
        # the same draws for every method: what differs is the method
        seed = derive(0, "tune", number)
        return propose(self.space, self.whole, tried, self.budget.sampler, seed)

    def cells(self, setting: Setting) -> list[Cell]:
        """The runs of a trial, one a seed."""
        given = {name: value for name, value in setting.items() if value is not None}
        chosen = merged(self.base.hyperparameters, nested(given))
        return [replace(self.base, seed=s, hyperparameters=chosen) for s in self.budget.seeds]

    def tell(self, number: int, setting: Setting, outcomes: Sequence[Outcome]) -> None:
        """Note what came of a trial's runs."""
        errors = [outcome.error for outcome in outcomes if outcome.error]
        ledgers = [planned(outcome.cell)[0] for outcome in outcomes]
        appraisal = Appraisal(self.budget.objective, self.oracles)
        value, why = (None, errors[0]) if errors else appraisal.value(ledgers)
        paths = tuple(str(ledger.path) for ledger in ledgers)
        self.trials.append(Trial(number, setting, value, why, sum(map(_flops, ledgers)), paths))

    def refuse(self, number: int, setting: Setting, why: str) -> None:
        """Note a trial that cannot be played."""
        self.trials.append(Trial(number, setting, None, why, 0, ()))

    def check_worth(self) -> None:
        """Stop a search that only fails: it is not worth the rest of the budget.

        Raises:
            ClbenchError: no trial has a value.
        """
        if all(trial.value is None for trial in self.trials):
            raise ClbenchError(
                f"none of {len(self.trials)} trials of {self.base.method} on "
                f"{self.record.stream.name} has a value: {self.trials[0].why}"
            )

    @property
    def best(self) -> Trial:
        """The trial with the best value, the first of equals."""
        valued = [(self.sign * t.value, -t.number, t) for t in self.trials if t.value is not None]
        return max(valued)[-1]

    def chosen(self) -> dict[str, Any]:
        """All hyperparameters of the best trial, resolved."""
        return planned_record(self.cells(self.best.setting)[0]).hyperparameters

    def tuning(self) -> TuningRecord:
        """What a run with the chosen hyperparameters says of their choice."""
        best, stream, budget = self.best, self.record.stream, self.budget
        assert best.value is not None
        return TuningRecord(
            trials=budget.trials,
            used=len(self.trials),
            failed=sum(trial.value is None for trial in self.trials),
            sampler=budget.sampler,
            objective=budget.objective.name,
            value=best.value,
            default=self.trials[0].value,
            stream=stream.name,
            fingerprint=stream.fingerprint,
            source_fingerprint=stream.source_fingerprint,
            seeds=budget.seeds,
            on_test=budget.on_test,
            space={each.name: str(each) for each in self.space},
            flops=sum(trial.flops for trial in self.trials),
        )


def _flops(ledger: Ledger) -> int:
    """Floating-point operations of a run's updates, as far as they were played."""
    whole = ledger.versions
    return sum(cost.flops_learn for cost in read_each(ledger, whole, "cost.json", Cost))
