"""Which pretrained weights a run rests on: those that its method loads, those behind its source."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path

from clbench.errors import ClbenchError
from clbench.source.joined import split_specs
from clbench.spec import Spec, parse_spec

_noted: ContextVar[list[str] | None] = ContextVar("pretrained", default=None)


@contextmanager
def noting() -> Iterator[list[str]]:
    """The names of weights that backbones load meanwhile.

    What was loaded is noted, not what a hyperparameter says: a method may leave weights out.
    """
    names: list[str] = []
    token = _noted.set(names)
    try:
        yield names
    finally:
        _noted.reset(token)


def note(backbone: Spec) -> None:
    """Note the weights of a backbone that was made."""
    names, name = _noted.get(), weights_of(backbone)
    if names is not None and name:
        names.append(name)


def weights_of(backbone: Spec) -> str:
    """The name of a backbone's weights: of the file, or `timm/<model>`; empty without weights."""
    weights = backbone.options.get("weights")
    if weights is None:
        return ""
    return f"timm/{backbone.name}" if weights == "hub" else Path(str(weights)).name


def of_source(source: Spec) -> list[str]:
    """The weights behind the features of a source, however deep its spec names them."""
    found = [name] if (name := weights_of(source)) else []
    for value in source.options.values():
        with suppress(ClbenchError):  # a path need not read as a spec
            for part in split_specs(value) if isinstance(value, str) else ():
                found += of_source(parse_spec(part))
    return found
