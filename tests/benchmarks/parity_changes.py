"""Changes of Avalanche's strategies that take one cause of difference away."""

import math
from typing import Any

import numpy as np
import torch
from avalanche.training.plugins import (
    EWCPlugin,
    ReplayPlugin,
    SupervisedPlugin,
    SynapticIntelligencePlugin,
)
from avalanche.training.storage_policy import ReservoirSamplingBuffer


def reservoir(strategy: Any) -> None:
    """Replay from a reservoir in place of equal shares of updates."""
    plugin = _plugin(strategy, ReplayPlugin)
    plugin.storage_policy = ReservoirSamplingBuffer(plugin.mem_size)


def fisher_of_samples(strategy: Any) -> None:
    """EWC whose Fisher squares the gradients of single samples."""
    plugin = _plugin(strategy, EWCPlugin)
    of_batches = plugin.compute_importances

    def of_samples(*arguments: Any, **options: Any) -> Any:
        *first, _ = arguments  # the last is the batch size
        return of_batches(*first, 1, **options)

    plugin.compute_importances = of_samples


def path_of_the_loss(strategy: Any) -> None:
    """SI whose path integral is of the loss without its penalty, and is not cut off above."""
    old = _plugin(strategy, SynapticIntelligencePlugin)
    strategy.plugins[strategy.plugins.index(old)] = SIOfPaper(old.si_lambda, old.eps)


def half_cosine(strategy: Any) -> None:
    """A learning rate that falls along a half cosine to 0 in every experience."""
    strategy.plugins.insert(0, HalfCosine())


def exact_covariance(strategy: Any) -> None:
    """SLDA whose covariance is that of the samples about the final means of their classes."""
    counts = [0] * len(strategy.cK)
    scatter = torch.zeros_like(strategy.Sigma, dtype=torch.float64)
    means = torch.zeros_like(strategy.muK, dtype=torch.float64)

    def fit(x: Any, y: Any) -> None:
        label = int(y)
        counts[label] += 1
        apart = x[0].double() - means[label]
        means[label] += apart / counts[label]
        scatter.add_(torch.outer(apart, x[0].double() - means[label]))
        strategy.num_updates += 1
        strategy.muK, strategy.Sigma = means.float(), (scatter / strategy.num_updates).float()

    strategy.fit = fit


def upright_means(strategy: Any) -> None:
    """Class means of iCaRL from images as they are, not from mirrored ones, too."""
    plugin = next(p for p in strategy.plugins if type(p).__name__ == "_ICaRLPlugin")
    usual = plugin.compute_class_means

    def compute(strategy: Any) -> None:
        stored = plugin.x_memory
        plugin.x_memory = [x.flatten(1) for x in stored]  # what is no image is not mirrored
        shape, extract = stored[0].shape[1:], strategy.model.feature_extractor.forward
        strategy.model.feature_extractor.forward = lambda x: extract(x.unflatten(1, shape))
        try:
            usual(strategy)
        finally:
            plugin.x_memory = stored
            del strategy.model.feature_extractor.forward

    plugin.compute_class_means = compute


class HalfCosine(SupervisedPlugin):  # type: ignore[misc]
    """The schedule of our methods that take one."""

    def before_training_exp(self, strategy: Any, **_: Any) -> None:
        """Learn how many steps there will be."""
        group = strategy.optimizer.param_groups[0]
        self.step, self.lr = 0, group.setdefault("usual", group["lr"])
        self.steps = strategy.train_epochs * math.ceil(
            len(strategy.adapted_dataset) / strategy.train_mb_size
        )

    def before_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Set the rate of the step."""
        for group in strategy.optimizer.param_groups:
            group["lr"] = self.lr * (1 + math.cos(math.pi * self.step / self.steps)) / 2
        self.step += 1


class SIOfPaper(SynapticIntelligencePlugin):  # type: ignore[misc]
    """Synaptic intelligence as 1703.04200 has it."""

    def before_backward(self, strategy: Any, **kwargs: Any) -> None:
        """Note the gradient of the loss before the penalty joins it."""
        named = dict(strategy.model.named_parameters())
        found = torch.autograd.grad(strategy.loss.sum(), list(named.values()), retain_graph=True)
        self.of_loss = {name: g.flatten() for name, g in zip(named, found, strict=True)}
        super().before_backward(strategy, **kwargs)

    def after_training_iteration(self, strategy: Any, **_: Any) -> None:
        """Add gradient times step to the path integral."""
        data = self.syn_data
        self.extract_weights(strategy.model, data["new_theta"], self.excluded_parameters)
        for name, trajectory in data["trajectory"].items():
            moved = data["new_theta"][name].data - data["old_theta"][name].data
            trajectory.data += self.of_loss[name] * moved

    def after_training_exp(self, strategy: Any, **_: Any) -> None:
        """Importances without an upper bound; negative ones are cut off."""
        self.update_ewc_data(
            strategy.model,
            self.ewc_data,
            self.syn_data,
            np.inf,
            self.excluded_parameters,
            1,
            eps=self.eps,
        )
        for importance in self.ewc_data[1].values():
            importance.data = importance.data.clamp(min=0)


def _plugin(strategy: Any, kind: type) -> Any:
    return next(plugin for plugin in strategy.plugins if isinstance(plugin, kind))
