"""A run of each side: accuracies, seconds, and the same stream, samples and model for both."""

import random
import time
from typing import Any, NamedTuple

import numpy as np
import torch
from avalanche.evaluation.metrics import accuracy_metrics

from clbench.evidence import Evidence
from clbench.method import make_method
from clbench.model.network import Space
from clbench.running import load_method
from tests.benchmarks import parity_changes
from tests.benchmarks.measure import Parts
from tests.benchmarks.parity_pairs import Pair
from tests.benchmarks.peer_runs import read_accuracies
from tests.benchmarks.setting import Setting, recipe, run_ours, stages

Triangle = list[list[float]]  # accuracy [update][test set seen so far]


class Played(NamedTuple):
    """What a run of one side reached, and how long its stages took."""

    triangle: Triangle
    parts: Parts

    @property
    def final(self) -> float:
        """Mean accuracy over all test sets after the last update."""
        return float(np.mean(self.triangle[-1]))

    @property
    def incremental(self) -> float:
        """Mean over updates of the mean accuracy after each."""
        return float(np.mean([np.mean(row) for row in self.triangle]))


def ours(setting: Setting, pair: Pair, seed: int) -> Played:
    """Our side."""
    ledger = run_ours(setting, pair.method, seed, pair.given)
    accuracy = Evidence(ledger).accuracy
    triangle = [accuracy[v, :v].tolist() for v in range(1, ledger.versions)]
    return Played(triangle, stages(ledger))


def theirs(setting: Setting, pair: Pair, seed: int, made: Any) -> Played:
    """Avalanche's side, in its own loops."""
    strategy = _strategy(setting, pair, seed)
    torch.set_num_threads(setting.threads)
    triangle: Triangle = []
    parts: Parts = {"training": [], "evaluation": []}
    for index, experience in enumerate(made.train_stream[: setting.updates]):
        start = time.perf_counter()
        strategy.train(experience)
        trained = time.perf_counter()
        found = strategy.eval(made.test_stream[: index + 1])
        parts["training"].append(trained - start)
        parts["evaluation"].append(time.perf_counter() - trained)
        triangle.append(read_accuracies(found, index + 1))
    return Played(triangle, parts)


def _strategy(setting: Setting, pair: Pair, seed: int) -> Any:
    torch.manual_seed(seed)
    random.seed(seed)
    np.random.seed(seed)
    name = f"avalanche:{pair.theirs}"
    kind = load_method(name)
    method: Any = make_method(kind, recipe(setting, name, pair.options))
    method.build(Space(setting.opened.source.train.shape, torch.device("cpu")))
    strategy = method.strategy
    strategy.model.to(memory_format=torch.contiguous_format)  # as its A-GEM needs
    strategy.train_epochs = pair.epochs or setting.epochs
    strategy.evaluator.metrics += accuracy_metrics(experience=True)
    if pair.change:
        getattr(parity_changes, pair.change)(strategy)
    return strategy
