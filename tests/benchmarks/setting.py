"""The two settings that are timed, and a run of ours in one of them."""

import itertools
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

from clbench.ledger import Ledger
from clbench.opening import Opened, open_preset
from clbench.play import play
from clbench.running import hyperparameters, load_method
from clbench.settings import Settings
from clbench.spec import merged
from tests.benchmarks.measure import Parts

SHARED = Path(__file__).parents[3] / "shared"
_SCRATCH = tempfile.TemporaryDirectory()
_NUMBERS = itertools.count()


@dataclass(frozen=True)
class Setting:
    """A preset shortened to its first updates and a number of epochs, and the threads of all.

    `lr` replaces the learning rate of the preset's recipe.
    """

    preset: str
    updates: int
    epochs: int
    threads: int
    lr: float | None = None

    @property
    def opened(self) -> Opened:
        return _opened(self.preset, self.updates, self.epochs)

    @property
    def available(self) -> bool:
        """Whether its data are here."""
        return self.preset == MLP.preset or (_data() / "cifar100-150").is_dir()

    def at(self, lr: float) -> "Setting":
        return replace(self, lr=lr)

    def __str__(self) -> str:
        threads = "1 thread" if self.threads == 1 else f"{self.threads} threads"
        return f"{self.preset}, {self.updates} updates, {self.epochs} epochs, {threads}"


# Of a whole run of the second, evaluation is as large a share as here: 11 % as many samples.
MLP = Setting("split-digits", updates=5, epochs=10, threads=1)
CONVNET = Setting("split-cifar100-150-10", updates=3, epochs=5, threads=os.cpu_count() or 1)


def _data() -> Path:
    os.environ.setdefault("CLBENCH_DATA", str(SHARED / "data"))
    return Path(os.environ["CLBENCH_DATA"])


@cache
def _opened(preset: str, updates: int, epochs: int) -> Opened:
    _data()
    opened = open_preset(preset, protocol={"epochs": epochs})
    stream = opened.stream
    first = replace(stream, updates=stream.updates[:updates], evals=stream.evals[:updates])
    return replace(opened, stream=first)


def recipe(setting: Setting, method: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a method in a setting."""
    lr = {} if setting.lr is None else {"training": {"lr": setting.lr}}
    base = merged(setting.opened.recipe, lr)
    return hyperparameters(load_method(method), base, given)


def run_ours(
    setting: Setting,
    method: str,
    seed: int = 0,
    given: Mapping[str, Any] | None = None,
    **how: Any,
) -> Ledger:
    """A new run in a folder of its own."""
    opened, kind = setting.opened, load_method(method)
    chosen = recipe(setting, method, given or {})
    root = Path(_SCRATCH.name) / str(next(_NUMBERS))
    settings = Settings(threads=setting.threads, **how)
    return play(opened.stream, opened.source, kind, chosen, seed, root, settings)


def stages(ledger: Ledger) -> Parts:
    """Seconds of training and of evaluation, update by update, as the run's own clock has them."""
    clocks = [ledger.read_json(v, "clock.json") for v in range(1, ledger.versions)]
    return {
        "training": [clock["learn_seconds"] for clock in clocks],
        "evaluation": [clock["predict_seconds"] for clock in clocks],
    }
