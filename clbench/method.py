"""The one base class that a method author meets."""

from collections.abc import Mapping
from typing import Any, ClassVar, dataclass_transform

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass
from torch import Tensor, nn

from clbench.card import Card
from clbench.errors import ClbenchError, unknown
from clbench.model.network import Network, Space, evaluating
from clbench.model.training import Training
from clbench.state import State
from clbench.tunable import LEARNING_RATE, Choice, Range, Tunable
from clbench.view import Batch, View

__all__ = [
    "LEARNING_RATE",
    "Batch",
    "Card",
    "Choice",
    "Field",
    "Method",
    "Network",
    "Range",
    "Space",
    "State",
    "Training",
    "Tunable",
    "View",
    "evaluating",
]


@dataclass_transform(kw_only_default=True, field_specifiers=(Field,))
class Method:
    """A plugin that plays streams.

    Annotated class attributes are hyperparameters: typed, validated, recorded. `build` makes what
    the method works with; `carries` names the attributes that survive an update (anything with
    `state_dict` and `load_state_dict`, a tensor, or a plain value). After every update the runner
    makes the method anew and hands it only that. `tunes` names the hyperparameters that
    `clbench tune` searches, and where; by default the learning rate of a method that has one.
    `quick` pairs hyperparameters with values that make updates cheap, for `clbench check`.
    """

    card: ClassVar[Card]
    carries: ClassVar[tuple[str, ...]] = ("model",)
    remade: ClassVar[bool] = True  # False: what it holds is measured, but cannot be put back
    tunes: ClassVar[tuple[Tunable, ...]] = (LEARNING_RATE,)
    quick: ClassVar[tuple[tuple[str, Any], ...]] = ()
    model: Network  # most methods build one; it serves the default predict and embed

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        pydantic_dataclass(cls, kw_only=True, config=ConfigDict(extra="forbid"))

    def declared(self) -> Card:
        """The card as these hyperparameters make it; to override where one of them decides."""
        return self.card

    def build(self, space: Space) -> None:
        """Make the starting model; randomness is seeded by the runner."""
        raise NotImplementedError(f"{type(self).__name__} does not define build(space)")

    def learn(self, view: View) -> None:
        """Play an update of kind `learn`."""
        raise NotImplementedError(f"{type(self).__name__} does not play learn")

    def forget(self, view: View) -> None:
        """Play an update of kind `forget`."""
        raise NotImplementedError(f"{type(self).__name__} does not play forget")

    def replace(self, view: View) -> None:
        """Play an update of kind `replace`: a newer version, trained on the view, takes over."""
        raise NotImplementedError(f"{type(self).__name__} does not play replace")

    def predict(self, x: Tensor) -> Tensor:
        """Logits [B, classes seen] of inputs [B, ...]."""
        with evaluating(self.model):
            logits: Tensor = self.model(x)
        return logits

    def embed(self, x: Tensor) -> Tensor:
        """Penultimate representation [B, d] of inputs [B, ...]."""
        with evaluating(self.model):
            return self.model.embed(x)

    def state(self) -> State:
        """All that survives an update: a tree of tensors and plain values."""
        return {name: _packed(getattr(self, name)) for name in self.carries}

    def load(self, state: State) -> None:
        """Take over what `state` returned."""
        for name in self.carries:
            if hasattr(part := getattr(self, name), "load_state_dict"):
                part.load_state_dict(state[name])
            else:
                setattr(self, name, state[name])


def _packed(part: Any) -> Any:
    if isinstance(part, nn.Module) or hasattr(part, "state_dict"):
        return dict(part.state_dict())
    return part


def make_method(kind: type[Method], hyperparameters: Mapping[str, Any]) -> Method:
    """A method with hyperparameters from outside.

    A group that is given in part has the method's own values for the rest. Only of `training`,
    which is a stream's to set, the rest is what is usual for all methods.

    Raises:
        ClbenchError: an unknown hyperparameter (the nearest is suggested) or a wrong value.
    """
    try:
        return kind(**_completed(kind, hyperparameters))
    except ValidationError as error:
        first = error.errors()[0]
        name = ".".join(map(str, first["loc"]))
        if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
            raise unknown(f"hyperparameter of {kind.card.name}", name, known_names(kind)) from None
        if first["type"].startswith("missing"):
            raise ClbenchError(
                f"{kind.card.name} needs a value for its hyperparameter {name}: --set {name}=..."
            ) from None
        raise ClbenchError(
            f"hyperparameter {name} of {kind.card.name}: {first['msg']}, got {first['input']!r}"
        ) from None


def _completed(kind: type[Method], given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given, with the groups in it filled up."""
    filled = dict(given)
    for name, field in kind.__pydantic_fields__.items():  # type: ignore[attr-defined]
        value, default = given.get(name), field.default
        if name != "training" and isinstance(value, Mapping) and isinstance(default, BaseModel):
            filled[name] = default.model_dump() | dict(value)
    return filled


def known_names(kind: type[Method]) -> list[str]:
    """Names of all hyperparameters, those of groups with their prefix (`training.lr`)."""
    names: list[str] = []
    for name, field in kind.__pydantic_fields__.items():  # type: ignore[attr-defined]
        inner = getattr(field.annotation, "model_fields", None)
        names += [f"{name}.{key}" for key in inner] if inner else [name]
    return names
