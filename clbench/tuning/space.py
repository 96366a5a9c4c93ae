"""What is searched for a method, and settings as flat tables of dotted names."""

from collections.abc import Mapping
from typing import Any

from clbench.errors import ClbenchError, unknown
from clbench.method import Method, known_names, make_method
from clbench.spec import flat, nested
from clbench.tunable import LEARNING_RATE, Range, Tunable

Setting = Mapping[str, Any]  # hyperparameters by dotted name


def search_space(kind: type[Method]) -> tuple[Tunable, ...]:
    """What a method declares in `tunes`: by default its learning rate, if it trains.

    Raises:
        ClbenchError: it names what is no hyperparameter of it, or one twice, or goes to where a
            value is not allowed.
    """
    names = known_names(kind)
    if kind.tunes is Method.tunes and LEARNING_RATE.name not in names:
        return ()
    for tunable in kind.tunes:
        if tunable.name not in names:
            raise unknown(f"hyperparameter in tunes of {kind.card.name}", tunable.name, names)
        for value in _extremes(tunable):
            make_method(kind, nested({tunable.name: value}))
    if len({tunable.name for tunable in kind.tunes}) < len(kind.tunes):
        raise ClbenchError(f"{kind.card.name} names a hyperparameter twice in tunes")
    return kind.tunes


def whole_names(kind: type[Method]) -> set[str]:
    """Hyperparameters that are whole numbers."""
    found = set()
    for name, each in kind.__pydantic_fields__.items():  # type: ignore[attr-defined]
        group = getattr(each.annotation, "model_fields", {})
        found |= {f"{name}.{key}" for key, inner in group.items() if inner.annotation is int}
        found |= {name} if each.annotation is int else set()
    return found


def starting_from(space: tuple[Tunable, ...], setting: Setting) -> tuple[Tunable, ...]:
    """The space, widened to hold where the search starts: a recipe may lie outside of it."""
    return tuple(tunable.including(setting.get(tunable.name)) for tunable in space)


def settled(hyperparameters: Mapping[str, Any]) -> dict[str, Any]:
    """The flat setting of resolved hyperparameters, without what is none."""
    return {name: value for name, value in flat(hyperparameters) if value is not None}


def _extremes(tunable: Tunable) -> tuple[Any, ...]:
    return (tunable.low, tunable.high) if isinstance(tunable, Range) else tunable.options
