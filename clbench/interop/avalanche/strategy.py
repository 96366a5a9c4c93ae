"""The method that plays a strategy of Avalanche."""

import random
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar

import numpy as np
import torch
from avalanche.models.dynamic_modules import DynamicModule
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from torch import Generator, Tensor, nn

from clbench.errors import ClbenchError
from clbench.interop.avalanche.experience import augmenting, dataset, experience, timeline
from clbench.interop.avalanche.held import held
from clbench.method import Card, Field, Method, Network, Space, State, Training, View, evaluating
from clbench.model.network import widened

EVAL_BATCH = 128  # of the passes that strategies make by themselves; answers come in ours
OFFERED = (  # arguments that are no hyperparameters, or that are set by those of all methods
    *("model", "feature_extractor", "classifier", "slda_model", "input_size", "num_classes"),
    *("optimizer", "criterion", "train_mb_size", "train_epochs", "eval_mb_size", "device"),
    *("plugins", "evaluator", "eval_every", "peval_mode", "buffer_transform", "output_layer_name"),
    *("verbose", "num_workers"),
)


class Growing(DynamicModule):  # type: ignore[misc]
    """Our network, whose head is widened as Avalanche adapts models to experiences."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def adaptation(self, experience: Any) -> None:
        """Make room for all classes seen so far."""
        self.network.grow(len(experience.classes_seen_so_far))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [B, classes]."""
        return self.network(x)  # type: ignore[no-any-return]


class GrowingHead(DynamicModule):  # type: ignore[misc]
    """The head alone, for strategies that hold it apart from the backbone."""

    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.linear = head

    def adaptation(self, experience: Any) -> None:
        """Make room for all classes seen so far."""
        self.linear = widened(self.linear, len(experience.classes_seen_so_far))

    def forward(self, features: Tensor) -> Tensor:
        """Logits [B, classes] of features [B, d]."""
        return self.linear(features)  # type: ignore[no-any-return]

    def _load_from_state_dict(self, state: Any, prefix: str, *rest: Any) -> None:
        # Old models of strategies load newer, wider weights.
        self.linear = widened(self.linear, len(state[f"{prefix}linear.weight"]))
        super()._load_from_state_dict(state, prefix, *rest)


class StepCounter(SupervisedPlugin):  # type: ignore[misc]
    """Tells the view of every training step."""

    def __init__(self) -> None:
        super().__init__()
        self.step: Callable[[int], None] = lambda size: None

    def before_training_iteration(self, strategy: Any, **kwargs: Any) -> None:
        """Count the batch that comes next."""
        self.step(len(strategy.mb_y))


class AvalancheMethod(Method):
    """A strategy of Avalanche with its plugins, on our network, optimiser settings and samples."""

    card = Card(name="avalanche", paper="2104.00405", family="avalanche")
    carries = ()
    remade = False
    parts: ClassVar[tuple[Any, ...]] = ()  # the strategy's class, then plugins'
    arguments: ClassVar[tuple[tuple[str, ...], ...]] = ()  # hyperparameters that each takes

    backbone: str = "mlp"
    training: Training = Training()
    room: int = Field(0, ge=0, description="classes that the head has a logit for from the start")

    def build(self, space: Space) -> None:
        """Make the network and the strategy around it."""
        self.space, self.widths = space, [0]
        self.model = Network(self.backbone, space)
        self.model.grow(self.room)
        self.counter = StepCounter()
        with _quiet():
            first, *further = self._values()
            plugins = [kind(**given) for kind, given in zip(self.parts[1:], further, strict=True)]
            offered = self._offered([self.counter, *plugins])
            self.strategy = self.parts[0](**_wanted(self.parts[0], offered), **first)

    def _values(self) -> list[dict[str, Any]]:
        return [{key: getattr(self, key) for key in keys} for keys in self.arguments]

    def _offered(self, plugins: list[Any]) -> dict[str, Any]:
        """What a constructor may want of us, by its argument's name."""
        network = self.model
        head = GrowingHead(network.head)
        augmented = augmenting(self.training.augment, torch.empty(1, *self.space.shape))
        return {
            "model": Growing(network),
            "feature_extractor": network.backbone,
            "slda_model": network.backbone,
            "classifier": head,
            "input_size": network.backbone.num_features,
            "num_classes": self.room,
            "optimizer": self.training.optimiser_of(network),
            "criterion": nn.CrossEntropyLoss(),
            "train_mb_size": self.training.batch_size,
            "eval_mb_size": EVAL_BATCH,
            "device": self.space.device,
            "buffer_transform": augmented,
            "plugins": plugins,
            "evaluator": EvaluationPlugin(),
        }

    def learn(self, view: View) -> None:
        """Train the strategy on the update as one experience."""
        self._check_room(view.n_classes)
        known, strategy = self.widths[-1], self.strategy
        self.widths.append(view.n_classes)
        made = experience(self._data(view), view.index, known, view.n_classes, view.task)
        made.benchmark = timeline([*self.widths, max(self.room, view.n_classes)])
        strategy.train_epochs = view.epochs(self.training)
        total = strategy.train_epochs * len(view)
        with _quiet(), _seeded(view.generator), view.metered(total) as self.counter.step:
            strategy.train(made, shuffle=not view.protocol.online)
        self.counter.step = lambda size: None

    def _data(self, view: View) -> Any:
        chunks = list(view.chunks())
        raw, y, ids = (
            torch.cat([getattr(chunk, name) for chunk in chunks]).cpu()
            for name in ("raw", "y", "ids")
        )
        return dataset(raw, y, ids, view.task, self.training.augment)

    def _check_room(self, n_classes: int) -> None:
        if self.room and n_classes > self.room:
            raise ClbenchError(
                f"{self.card.name} has room for {self.room} classes, and the stream brings "
                f"{n_classes}; give --set room={n_classes}"
            )

    def predict(self, x: Tensor) -> Tensor:
        """Scores of the strategy's model, [B, classes seen]."""
        seen, model = self.widths[-1], self.strategy.model
        if not seen:
            return x.new_zeros(len(x), 0)
        with evaluating(model):
            found: Tensor = model(x)
            if hasattr(self.strategy, "predict"):  # a head that the strategy holds itself
                found = self.strategy.predict(found)
        return found[:, :seen]

    def embed(self, x: Tensor) -> Tensor:
        """Features [B, d] of the strategy's model."""
        model = self.strategy.model
        part = getattr(model, "network", None)
        with evaluating(model):
            if part is not None:
                return part.embed(x)  # type: ignore[no-any-return]
            return getattr(model, "feature_extractor", model)(x)  # type: ignore[no-any-return]

    def state(self) -> State:
        """All tensors and samples that the strategy holds, to be measured."""
        return held(self.strategy)

    def load(self, state: State) -> None:
        """Refused.

        Raises:
            ClbenchError: always.
        """
        raise ClbenchError(
            f"{self.card.name} cannot be made anew from what it holds: Avalanche's strategies keep "
            "objects of any kind, not tensors alone"
        )


def _wanted(kind: type, offered: dict[str, Any]) -> dict[str, Any]:
    """Those of the offers that a constructor takes."""
    import inspect

    return {k: v for k, v in offered.items() if k in inspect.signature(kind).parameters}


@contextmanager
def _quiet() -> Iterator[None]:
    with warnings.catch_warnings(record=True):  # its deprecations set a filter of their own
        warnings.simplefilter("ignore")
        yield


@contextmanager
def _seeded(generator: Generator) -> Iterator[None]:
    """Python's and numpy's randomness, which strategies draw from, seeded; put back after."""
    before = random.getstate(), np.random.get_state()
    seed = int(torch.randint(2**31, (1,), generator=generator))
    random.seed(seed)
    np.random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
