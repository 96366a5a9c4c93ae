"""The compute that a protocol allows, put into force for one update of a run."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from clbench.augment import to_input
from clbench.budget import Budget, Plan, Trial
from clbench.cost import FlopMeter
from clbench.counter import peak_bytes
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model.training import Training
from clbench.samples import Samples
from clbench.source.base import IntArray
from clbench.stream import Protocol


@dataclass(frozen=True)
class Spending:
    """What the updates of a run may spend. `who` and `where` are names for messages."""

    rules: Protocol
    who: str
    where: str
    device: torch.device

    @property
    def limited(self) -> bool:
        """Whether there is a budget at all."""
        return self.rules.flops is not None or self.rules.seconds is not None

    def meter(self, rehearse: Callable[[FlopMeter], object], reference: int | None) -> FlopMeter:
        """A meter whose training loops keep to the budget; its seconds run from now on.

        Args:
            rehearse: plays the update on a copy of the method, with the meter that it is given.
            reference: bytes of a step of full finetuning, where the budget is memory-adjusted.

        Raises:
            ClbenchError: the budget does not pay for a single step.
        """
        trial = Trial()
        meter = FlopMeter(trial, reference)
        rehearse(meter)
        plan = trial.plan(meter.charged)
        self._check_pays(plan)
        budget = Budget(plan, self.rules.flops, self.rules.seconds, self._clock)
        return FlopMeter(budget, reference)

    def check_kept(self, meter: FlopMeter) -> None:
        """Refuse an update that spent more than the budget, by a step or more.

        Raises:
            ClbenchError: it did, outside of its training loops.
        """
        gate, allowed = meter.gate, self.rules.flops
        if isinstance(gate, Budget) and allowed is not None and gate.exceeded(meter.charged):
            raise ClbenchError(
                f"{self.who} spent {meter.charged:,.0f} {self._unit} on an update; the protocol of "
                f"{self.where} allows {allowed:,}; spend less outside of loops over "
                "view.batches() and view.rehearse(), which stop in time"
            )

    def _check_pays(self, plan: Plan) -> None:
        allowed = self.rules.flops
        if allowed is not None and plan.least > allowed:
            raise ClbenchError(
                f"{self.who} needs {plan.least:,.0f} {self._unit} for an update with one step of "
                f"training ({plan.other:,.0f} of them outside of training loops); the protocol of "
                f"{self.where} allows {allowed:,}; raise flops"
            )

    @property
    def _unit(self) -> str:
        return "memory-adjusted FLOPs" if self.rules.memory_adjusted else "FLOPs"

    def _clock(self) -> float:
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)  # else it would show when steps were asked for
        return perf_counter()


def check_network(method: Method) -> None:
    """Refuse a method whose memory cannot be compared with that of full finetuning.

    Raises:
        ClbenchError: it has no network called `model`.
    """
    if not isinstance(getattr(method, "model", None), nn.Module):
        raise ClbenchError(
            f"{method.card.name} has no network `model` whose full finetuning its memory could be "
            "compared with; play it under a protocol with memory_adjusted=false"
        )


def full_finetuning_bytes(method: Method, samples: Samples, ids: IntArray, n_classes: int) -> int:
    """Peak memory in bytes of a step that trains all of a method's network on a batch.

    The network, a copy of the method's own, has its head widened to `n_classes` and is trained by
    cross-entropy with the method's optimiser and batch size on the first of the samples `ids` [n].
    Measured is the second step, which finds the optimiser's state.
    """
    training = getattr(method, "training", Training())
    count = max(2, min(training.batch_size, len(ids)))  # batch norm needs two
    chosen = torch.from_numpy(np.resize(ids, count)).to(samples.device)
    x, y = to_input(samples.gather(chosen)), samples.y[chosen]
    model = copy.deepcopy(method.model).requires_grad_(True).train()
    if hasattr(model, "grow"):
        model.grow(n_classes)
    step = training.start(model)
    step(cross_entropy(model(x), y))
    return peak_bytes(lambda: step(cross_entropy(model(x), y)))
