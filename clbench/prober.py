"""Asking a method in the middle of an update, without a trace in what it learns.

A probe comes when so many steps are done and the next is about to begin: what follows the last
step of an update is asked by the version's own evaluation. It is the method as it stands that
answers, not one made anew from its state.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Generator

from clbench import answers
from clbench.cost import FlopMeter
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.model.modes import modes_kept
from clbench.panel import Panel, predicted
from clbench.prediction import FloatArray
from clbench.samples import Samples
from clbench.source.base import IntArray
from clbench.stream import SplitName, Stream
from clbench.tracefile import TRACE, Probe, trace_parquet
from clbench.view import View


class Prober:
    """Asks a method every `every` steps of the update that makes a version.

    It is called before each step. Random states, modes of modules and gradients are afterwards
    what they were, and nothing is charged to `learning`, the meter of the update, whose steps it
    counts by. `seconds` is the time that was spent on probes.
    """

    def __init__(
        self,
        method: Method,
        asked: Panel,
        samples: Mapping[SplitName, Samples],
        version: int,
        every: int,
        learning: FlopMeter,
    ) -> None:
        self.probes: list[Probe] = []
        self.seconds = 0.0
        self._method, self._panel, self._samples = method, asked, samples
        self._version, self._every, self._learning = version, every, learning
        self._asking = FlopMeter()
        self._last = 0

    def __call__(self, view: View) -> None:
        """A step may begin: ask if the number of those done is due and was not asked yet.

        Raises:
            ClbenchError: the method cannot answer now, or its answers break the contract.
        """
        steps = self._learning.steps
        if steps > self._last and steps % self._every == 0:
            self._last = steps
            if view.device.type == "cuda":
                torch.cuda.synchronize(view.device)  # what was queued is the update's time
            started = time.perf_counter()
            with paused(self._learning), undisturbed(self._method, view.generator, view.device):
                self.probes.append(Probe(steps, self._learning.shown, self._ask(steps)))
            self.seconds += time.perf_counter() - started

    def record(
        self,
        whole: Stream,
        labels: Mapping[SplitName, IntArray],
        logits: FloatArray,
    ) -> dict[str, bytes]:
        """The file of all probes and, as the last one, of the version's own answers.

        `logits` [samples asked of it, classes] are those on the whole evaluation sets.
        """
        answered = self._panel.of(whole, logits, self._version)
        last = Probe(self._learning.steps, self._learning.shown, answered)
        asked = answers.asked_of(self._panel.stream, labels, self._version)
        return {TRACE: trace_parquet(asked, [*self.probes, last])}

    def settle(self, cost: dict[str, Any], readings: dict[str, float]) -> None:
        """Enter in the books of the version what probing cost: it is not a part of learning."""
        cost["flops_probe"] = self._asking.total
        readings["learn_seconds"] -= self.seconds
        readings["probe_seconds"] = self.seconds

    def _ask(self, steps: int) -> IntArray:
        """[n] answers to the panel; -1 where the method has no output yet for any that counts."""
        stream, name = self._panel.stream, type(self._method).card.name
        where = f"{name}.predict, probed after step {steps} of update {self._version},"
        narrowest = stream.n_classes(self._version - 1)
        with self._asking:
            try:
                logits = answers.predict(
                    self._method.predict, stream, self._samples, self._version, where,
                    self._asking, narrowest=narrowest,
                )  # fmt: skip
            except ClbenchError:
                raise
            except Exception as error:
                raise ClbenchError(
                    f"{where} failed: {type(error).__name__}: {error}; in the middle of an update "
                    "answer as before it, or run it without --probe-every"
                ) from error
        return predicted(logits)


@contextmanager
def paused(meter: FlopMeter) -> Iterator[None]:
    """Nothing is charged to the meter; it goes on counting if it was."""
    counting = meter.counting
    meter.rest()
    try:
        yield
    finally:
        if counting:
            meter.count()


@contextmanager
def undisturbed(method: Method, generator: Generator, device: torch.device) -> Iterator[None]:
    """Without gradients; random states and modes of modules are put back after.

    Not inference mode: a tensor that a network computes once and keeps, such as a table of
    positions, could not be trained with afterwards.
    """
    drawn = generator.get_state()
    forked = torch.random.fork_rng([device] if device.type == "cuda" else [])
    with modes_kept(vars(method)), forked, torch.no_grad():
        try:
            yield
        finally:
            generator.set_state(drawn)
