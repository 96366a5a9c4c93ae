"""Presets: registered streams by name, read from the `presets.toml` of scenario packages."""

import tomllib
from collections.abc import Mapping
from functools import cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, ValidationError

from clbench.card import source_file
from clbench.errors import ClbenchError
from clbench.plugin import Entry, entries
from clbench.spec import Value


def _named(table: Any) -> Any:
    if isinstance(table, Mapping) and not isinstance(table.get("name"), str):
        raise ValueError("needs a name, that of a plugin")
    return table


Source = Annotated[str | dict[str, Value], AfterValidator(_named)]


class Tuning(BaseModel):
    """What a preset's tuning stream has of its own; the rest is the preset's.

    `source` stands in place of the training samples that are held out by default; options of the
    `generator` are added to the preset's, such as another order.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    source: Source | None = None
    generator: dict[str, Any] = {}


class Preset(BaseModel):
    """A stream's source, generator and protocol, and the recipe that methods start from.

    `source` and `generator` are plugins: a `name`, and options. A source may also be written in one
    word, `torchvision,name=CIFAR10`, as one has to whose plugin has an option called `name`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    about: str
    source: Source
    generator: Annotated[dict[str, Any], AfterValidator(_named)]
    protocol: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    tuning: Tuning = Tuning()


def presets() -> Mapping[str, Preset]:
    """All registered presets by name, sorted.

    Raises:
        ClbenchError: two packages share a name.
    """
    return _registered()[0]


def broken_presets() -> Mapping[str, str]:
    """Packages whose presets cannot be read, and why."""
    return _registered()[1]


@cache
def _registered() -> tuple[Mapping[str, Preset], Mapping[str, str]]:
    found: dict[str, Preset] = {}
    broken: dict[str, str] = {}
    for entry in entries("presets").values():
        try:
            added = _presets_of(entry)
        except ClbenchError as error:
            broken[entry.name] = str(error)
            continue
        if twice := sorted(found.keys() & added.keys()):
            raise ClbenchError(
                f"preset {twice[0]!r} of {entry.distribution} is registered by another package, "
                "too; uninstall one"
            )
        found |= added
    return dict(sorted(found.items())), broken


def _presets_of(entry: Entry) -> dict[str, Preset]:
    """The presets of one package, which is not imported."""
    package = source_file(entry.target)
    if package is None:
        raise ClbenchError(f"{entry.distribution}: the package {entry.target} cannot be found")
    file = package.with_name("presets.toml")
    try:
        tables = tomllib.loads(file.read_text())
    except (OSError, ValueError) as error:
        raise ClbenchError(f"{file} cannot be read: {error}") from error
    return {name: _parsed(content, f"{file}: [{name}]") for name, content in tables.items()}


def _parsed(content: object, where: str) -> Preset:
    try:
        return Preset.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise ClbenchError(f"{where} {'.'.join(map(str, first['loc']))}: {first['msg']}") from None
