"""Runs of Avalanche with the batches, epochs and optimiser settings of a setting.

num_workers is its default 0, metrics are accuracies without loggers, the optimiser is torch's
default form of SGD, and it evaluates what we do, after each update the test sets of the classes
seen so far and not the whole stream.
"""

import time
import warnings
from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from avalanche.evaluation.metrics import accuracy_metrics
from avalanche.training.plugins import EvaluationPlugin, EWCPlugin, LwFPlugin, ReplayPlugin
from avalanche.training.storage_policy import ReservoirSamplingBuffer
from avalanche.training.supervised import Naive
from torch import nn
from torch.utils.data import DataLoader

from tests.benchmarks.measure import Parts
from tests.benchmarks.peers import Growing
from tests.benchmarks.setting import Setting, recipe

EVAL_BATCH = 128


class Played(NamedTuple):
    """Accuracy [update][test set seen so far], seconds update by update, and the model."""

    accuracies: list[list[float]]
    parts: Parts
    model: nn.Module


class EWCOfSamples(EWCPlugin):
    """EWC whose Fisher squares the gradients of single samples."""

    def compute_importances(self, *arguments: Any, **options: Any) -> Any:
        *first, _ = arguments  # the last is the batch size
        return super().compute_importances(*first, 1, **options)


def _reservoir(mem_size: int) -> ReplayPlugin:
    return ReplayPlugin(mem_size, storage_policy=ReservoirSamplingBuffer(mem_size))


PLUGINS = {
    "Replay": ReplayPlugin,
    "Replay from a reservoir": _reservoir,
    "EWC": EWCPlugin,
    "EWC, Fisher of samples": EWCOfSamples,
    "LwF": LwFPlugin,
}


def run_avalanche(
    setting: Setting, kind: str, scenario: Any, seed: int = 0, **options: Any
) -> Played:
    """Play a stream with `Naive` and the plugin of a kind, as its strategy of that name does."""
    torch.manual_seed(seed)
    torch.set_num_threads(setting.threads)
    plugins = [] if kind == "Naive" else [PLUGINS[kind](**options)]
    strategy = _strategy(setting, scenario, plugins)
    with warnings.catch_warnings(record=True):  # it warns of its own deprecations at every update
        return _play(strategy, scenario, setting.updates)


def _play(strategy: Any, scenario: Any, updates: int) -> Played:
    accuracies: list[list[float]] = []
    parts: Parts = {"training": [], "evaluation": []}
    for index, experience in enumerate(scenario.train_stream[:updates]):
        start = time.perf_counter()
        strategy.train(experience)
        trained = time.perf_counter()
        accuracies.append(
            read_accuracies(strategy.eval(scenario.test_stream[: index + 1]), index + 1)
        )
        parts["training"].append(trained - start)
        parts["evaluation"].append(time.perf_counter() - trained)
    return Played(accuracies, parts, strategy.model)


@torch.inference_mode()
def own_accuracies(model: nn.Module, scenario: Any) -> list[float]:
    """Accuracy on each test set when only the set's own classes may be answered."""
    found = []
    for experience in scenario.test_stream:
        classes, hits = torch.tensor(sorted(experience.classes_in_this_experience)), 0
        for x, y, *_ in DataLoader(experience.dataset.eval(), EVAL_BATCH):
            hits += int((classes[model(x)[:, classes].argmax(1)] == y).sum())
        found.append(hits / len(experience.dataset))
    return found


def _strategy(setting: Setting, scenario: Any, plugins: list[Any]) -> Any:
    chosen = recipe(setting, "finetune", {})
    training = chosen["training"]
    first = len(scenario.train_stream[0].classes_in_this_experience)
    model = Growing(chosen["backbone"], setting.opened.source.train.shape, first)
    momentum = training.get("momentum", 0.0)
    return Naive(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), training["lr"], momentum=momentum),
        criterion=nn.CrossEntropyLoss(),
        train_mb_size=training.get("batch_size", 32),
        train_epochs=setting.epochs,
        eval_mb_size=EVAL_BATCH,
        plugins=plugins,
        evaluator=EvaluationPlugin(accuracy_metrics(experience=True, stream=True)),
    )


def read_accuracies(found: Mapping[str, float], count: int) -> list[float]:
    """Accuracy on each of the first test sets, from the metrics of an evaluation."""
    by_set = {name.rpartition("/")[2]: value for name, value in found.items() if "Acc_Exp" in name}
    return [by_set[f"Exp{index:03d}"] for index in range(count)]
