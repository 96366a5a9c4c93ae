"""A method under test on a small real stream: six classes of digits, three updates, two epochs."""

import importlib.util
import inspect
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench import state
from clbench.augment import to_input
from clbench.card import Card
from clbench.cost import FlopMeter
from clbench.ledger import Ledger
from clbench.method import Method, make_method
from clbench.play import Run, play
from clbench.plugin import load
from clbench.recording import run_record
from clbench.settings import Settings
from clbench.source.base import IntArray, Source, Split, open_source
from clbench.spec import Spec, merged
from clbench.stream import Protocol, Stream

SETTINGS = Settings(threads=1)


@dataclass(frozen=True)
class Subject:
    """A method under test, with the hyperparameters that differ from its defaults."""

    kind: type[Method]
    hyperparameters: Mapping[str, Any]

    @property
    def card(self) -> Card:
        """The method's card, as its hyperparameters make it."""
        return make_method(self.kind, self.hyperparameters).declared()

    @classmethod
    def quick(cls, kind: type[Method], given: Mapping[str, Any]) -> "Subject":
        """A method as it says that it is cheap to check, overruled by what is given."""
        return cls(kind, merged(dict(kind.quick), given))

    @contextmanager
    def run(
        self, source: Source | None = None, stream: Stream | None = None, *, fits: bool = True
    ) -> Iterator[Run]:
        """A run in a temporary folder, nothing played yet.

        By default of the small stream; of another that the method may not play if not `fits`.
        """
        small, samples = small_stream(self.card), source or digits()
        planned = stream if stream and fits else small
        record = run_record(planned, samples, self.kind, self.hyperparameters, 0, SETTINGS)
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder))
            ledger.begin(record)
            yield Run(ledger, stream or small, samples, self.kind, self.hyperparameters)

    def play(self, folder: Path, stop_after: int | None = None) -> Ledger:
        """Play the whole stream, or fail after some version."""

        def stop(version: int) -> None:
            if version == stop_after:
                raise InterruptedError

        arguments = (self.kind, self.hyperparameters, 0, folder, SETTINGS, stop)
        return play(small_stream(self.card), digits(), *arguments)

    def anew(self) -> "Subject":
        """The subject as a new process would import it.

        What its class or its module gathered is gone. A class made inside a function cannot be
        imported and stays as it is.
        """
        if "<locals>" in self.kind.__qualname__:
            return self
        found: Any = _imported_again(self.kind)
        for name in self.kind.__qualname__.split("."):
            found = getattr(found, name)
        return replace(self, kind=found)


def played(run: Run, updates: int, *, carry: bool = True) -> Method:
    """The method after some updates: made anew from its state after each, or living on."""
    method = run.built()
    for version in range(1, updates + 1):
        run.update(method, version, FlopMeter())
        if carry:
            method = run.rebuilt(state.pack(method.state()))
    return method


def inputs(run: Run) -> Tensor:
    """The test inputs of the classes of the first two updates."""
    asked = [each.samples for each in run.stream.evals if each.split == "test"]
    ids = np.concatenate(asked[:2])
    return to_input(run.samples["test"].gather(torch.from_numpy(ids)))


@cache
def digits() -> Source:
    """The samples of the small stream; read-only, so all checks share them."""
    return open_source(Spec("digits"))


def garbled(source: Source, kept: IntArray) -> Source:
    """The source with every training sample and label replaced but those kept."""
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, source.train.x.shape).astype(np.uint8)
    y = generator.integers(0, len(source.classes), source.train.y.shape)
    x[kept], y[kept] = source.train.x[kept], source.train.y[kept]
    return replace(source, train=Split(x, y))


def small_stream(card: Card, *, online: bool = False) -> Stream:
    """Classes 0 to 5 of digits in three updates, under a protocol that grants what a card needs."""
    protocol = Protocol(
        epochs=1 if online else 2,
        past="all" if "past" in card.needs else "none",
        task_ids="task-ids" in card.needs and not online,
        online=online,
    )
    generator = load("streams", "class_incremental")
    stream: Stream = generator(
        digits(), "contract", protocol, increment=2, order=[0, 1, 2, 3, 4, 5]
    )
    return stream


def forgetting_stream(card: Card) -> Stream:
    """Classes 0 to 5 of digits, then a request for 40 samples, under a protocol that a card needs.

    Half of the retained data is granted, so that it can be told whether a method reads the rest.
    """
    protocol = Protocol(
        epochs=2,
        past="all" if "past" in card.needs else "none",
        task_ids="task-ids" in card.needs,
        retained=0.5 if "retained" in card.needs else None,
        forget_labels="forget-labels" in card.needs,
    )
    generator, forget = load("streams", "unlearning"), {"name": "random", "size": 40}
    order = [0, 1, 2, 3, 4, 5]
    stream: Stream = generator(digits(), "contract", protocol, forget=forget, order=order)
    return stream


def replacing_stream(card: Card) -> Stream:
    """Half of classes 0 to 2 of digits, then a newer version of all of classes 0 to 3."""
    protocol = Protocol(epochs=2, past="all" if "past" in card.needs else "none")
    generator, order = load("streams", "replacement"), [0, 1, 2, 3]
    stream: Stream = generator(
        digits(), "contract", protocol, shares=[0.5, 1.0], classes=[3, 4], order=order
    )
    return stream


def _imported_again(kind: type[Method]) -> Any:
    # A script's own checks must not run again: it is imported as worker processes import it.
    name = "__mp_main__" if kind.__module__ == "__main__" else kind.__module__
    spec = importlib.util.spec_from_file_location(name, inspect.getfile(kind))
    assert spec is not None
    assert spec.loader is not None
    module, before = importlib.util.module_from_spec(spec), sys.modules.get(name)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    finally:
        if before is None:
            del sys.modules[name]
        else:
            sys.modules[name] = before
    return module
