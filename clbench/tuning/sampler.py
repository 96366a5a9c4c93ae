"""The next setting to try. What is proposed depends on the seed and the trials before, on no more.

So a search that was stopped is rebuilt by asking again: no state of a sampler is ever stored.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

from clbench.spec import Value
from clbench.tunable import Range, Tunable
from clbench.tuning.space import Setting

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution

Sampler = Literal["tpe", "random"]
Tried = tuple[Setting, float | None]  # a setting with its value, larger is better; None: it failed
DIGITS = 4  # significant ones: enough to search, and short enough to be written down


def propose(
    space: Sequence[Tunable], whole: set[str], tried: Sequence[Tried], sampler: Sampler, seed: int
) -> dict[str, Value]:
    """A setting of the space, by a tree-structured Parzen estimator (NeurIPS 2011) or at random.

    Where nothing was tried the estimator draws at random, too. `whole` names the hyperparameters
    that are whole numbers. Settings outside of the space are not looked at; those that failed
    count as worse than all others, so that a region in which training diverges is left.
    """
    import optuna  # takes long to load, and only tuning needs it

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    tpe = optuna.samplers.TPESampler(seed=seed % 2**32, n_startup_trials=1)
    uniform = optuna.samplers.RandomSampler(seed=seed % 2**32)
    study = optuna.create_study(direction="maximize", sampler=tpe if sampler == "tpe" else uniform)
    where = {each.name: _distribution(each, each.name in whole) for each in space}
    states = optuna.trial.TrialState
    for setting, value in tried:
        if all(each.holds(setting.get(each.name)) for each in space):
            state = states.PRUNED if value is None else states.COMPLETE
            params = {each.name: setting[each.name] for each in space}
            study.add_trial(
                optuna.trial.create_trial(
                    state=state, value=value, params=params, distributions=where
                )
            )
    found = study.ask(where).params
    return {each.name: _rounded(each, found[each.name]) for each in space}


def _distribution(tunable: Tunable, whole: bool) -> "BaseDistribution":
    from optuna.distributions import (
        CategoricalDistribution,
        FloatDistribution,
        IntDistribution,
    )

    if not isinstance(tunable, Range):
        return CategoricalDistribution(tunable.options)
    if whole:
        return IntDistribution(int(tunable.low), int(tunable.high), log=tunable.log)
    return FloatDistribution(tunable.low, tunable.high, log=tunable.log)


def _rounded(tunable: Tunable, value: Value) -> Value:
    if not isinstance(tunable, Range) or not isinstance(value, float):
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), tunable.low), tunable.high)
