"""Methods that misbehave, each in one way; and `Guided`, which calls back in every phase."""

import os
from collections.abc import Callable
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Space, State, Training, View

PHASES = ("build", "learn", "step", "state", "load", "predict", "embed")


class Guided(Method):
    """Finetuning that tells a hook which phase it is in."""

    card = Card(name="guided", paper="none", family="test")
    hooks: ClassVar[dict[str, Callable[[], None]]] = {}

    training: Training = Training(batch_size=10)

    def at(self, phase: str) -> None:
        self.hooks.get(phase, lambda: None)()

    def build(self, space: Space) -> None:
        self.at("build")
        self.model = Network("mlp,width=8", space)

    def learn(self, view: View) -> None:
        self.at("learn")
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            self.at("step")
            step(cross_entropy(self.model(batch.x), batch.y))

    def state(self) -> State:
        self.at("state")
        return super().state()

    def load(self, state: State) -> None:
        self.at("load")
        super().load(state)

    def predict(self, x: Tensor) -> Tensor:
        self.at("predict")
        return super().predict(x)

    def embed(self, x: Tensor) -> Tensor:
        self.at("embed")
        return super().embed(x)


class WrongWidth(Guided):
    card = Card(name="wrong-width", paper="none", family="test")

    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x)[:, :1]


class LosesRows(Guided):
    card = Card(name="loses-rows", paper="none", family="test")

    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x)[1:]


class NotATensor(Guided):
    card = Card(name="not-a-tensor", paper="none", family="test")

    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x).tolist()  # type: ignore[return-value]


class NaNs(Guided):
    card = Card(name="nans", paper="none", family="test")

    def predict(self, x: Tensor) -> Tensor:
        logits = super().predict(x)
        logits[:3] = torch.nan
        return logits


class FlatEmbedding(Guided):
    card = Card(name="flat-embedding", paper="none", family="test")

    def embed(self, x: Tensor) -> Tensor:
        return super().embed(x)[:, 0]


class Hoarder(Guided):
    """Carries ten kilobytes more at every update."""

    card = Card(name="hoarder", paper="none", family="test")
    carries = ("model", "heap")

    def build(self, space: Space) -> None:
        super().build(space)
        self.heap = torch.zeros(0)

    def learn(self, view: View) -> None:
        super().learn(view)
        self.heap = torch.cat([self.heap, torch.zeros(2500)])


class CarriesAnObject(Guided):
    card = Card(name="carries-an-object", paper="none", family="test")

    def state(self) -> State:
        return {**super().state(), "extra": {"things": {1, 2}}}


class Raises(Guided):
    card = Card(name="raises", paper="none", family="test")

    def learn(self, view: View) -> None:
        raise RuntimeError("the moon is in the wrong place")


class Exits(Guided):
    card = Card(name="exits", paper="none", family="test")

    def learn(self, view: View) -> None:
        raise SystemExit(0)


class Dies(Guided):
    """Takes its process with it in the second update."""

    card = Card(name="dies", paper="none", family="test")

    def learn(self, view: View) -> None:
        if view.index == 1:
            os._exit(1)
        super().learn(view)


class Forgetful(Guided):
    """Answers with what it does not carry."""

    card = Card(name="forgetful", paper="none", family="test")

    def build(self, space: Space) -> None:
        super().build(space)
        self.updates = 0

    def learn(self, view: View) -> None:
        super().learn(view)
        self.updates += 1

    def predict(self, x: Tensor) -> Tensor:
        return super().predict(x) + self.updates * torch.arange(self.model.n_classes)


class PeeksAtThePast(Guided):
    card = Card(name="peeks-at-the-past", paper="none", family="test")

    def learn(self, view: View) -> None:
        super().learn(view)
        next(view.batches(self.training, with_past=True))


class NeedsThePast(PeeksAtThePast):
    card = Card(name="needs-the-past", paper="none", family="test", needs=("past",))


class NeedsTasks(Guided):
    card = Card(name="needs-tasks", paper="none", family="test", needs=("task-ids",))


class Unlearns(Guided):
    card = Card(name="unlearns", paper="none", family="test", plays=("forget",))


class BreaksInBuild(Guided):
    card = Card(name="breaks-in-build", paper="none", family="test")

    def build(self, space: Space) -> None:
        print("on standard output")
        raise RuntimeError("no ground to build on")


NOT_A_METHOD = object()
