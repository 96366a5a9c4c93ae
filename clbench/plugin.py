"""One door for plugins: entry points, or `path/to/file.py:Name` wherever a name does.

A framework is a plugin that knows many methods by names of its own: `avalanche:Replay`.

Finding a plugin never imports it; a plugin that fails to import breaks only itself.
"""

import importlib
import importlib.util
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import Distribution, EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any, Literal, get_args

from clbench.errors import ClbenchError, unknown

Group = Literal[
    "sources", "streams", "presets", "methods", "metrics", "group_metrics", "frameworks"
]


@dataclass(frozen=True)
class Entry:
    """A registered plugin: its name, `module:attribute`, and the distribution that brought it."""

    name: str
    target: str
    distribution: str


@cache
def entries(group: Group) -> Mapping[str, Entry]:
    """All registered plugins of a group by name, sorted.

    Raises:
        ClbenchError: two distributions register the same name for different things.
    """
    found: dict[str, Entry] = {}
    for point in _installed():
        if point.group != f"clbench.{group}":
            continue
        entry = Entry(point.name, point.value, _name(point.dist))
        other = found.setdefault(point.name, entry)
        if other.target != entry.target:
            raise ClbenchError(
                f"{group} plugin {point.name!r} is registered by {other.distribution} "
                f"({other.target}) and {entry.distribution} ({entry.target}); uninstall one"
            )
    return dict(sorted(found.items()))


@cache  # its metadata are parsed at each question
def _name(distribution: Distribution | None) -> str:
    return distribution.name if distribution else "?"


@cache  # looking through all that is installed takes a while
def _installed() -> list[EntryPoint]:
    """Our entry points of all installed distributions."""
    found: Any = entry_points()  # a mapping in Python 3.11, a sequence since; both select
    return [each for group in get_args(Group) for each in found.select(group=f"clbench.{group}")]


def load(group: Group, name: str) -> Any:
    """The plugin called `name`, or the attribute that `file.py:Name` points at."""
    if ".py:" in name:
        path, _, attribute = name.rpartition(":")
        return _attribute(_file_module(Path(path)), attribute, name)
    if group == "methods" and ":" in name:
        framework, _, its_name = name.partition(":")
        return load("frameworks", framework)(its_name)
    known = entries(group)
    if name not in known:
        raise unknown(group.removesuffix("s"), name, known)
    return load_entry(group, known[name])


def load_entry(group: Group, entry: Entry) -> Any:
    """Import what an entry points at; a failure names the plugin and its distribution."""
    module, _, attribute = entry.target.partition(":")
    try:
        imported = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise ClbenchError(
            f"{group.removesuffix('s')} plugin {entry.name!r} of {entry.distribution} fails to "
            f"import: {type(error).__name__}: {error}"
        ) from error
    return _attribute(imported, attribute, entry.target) if attribute else imported


def call(kind: str, name: str, plugin: Callable[..., Any], options: Mapping[str, object]) -> Any:
    """Call a plugin function with options from outside; a wrong option is a clear error."""
    parameters = inspect.signature(plugin).parameters
    for key in options:
        if key not in parameters:
            raise unknown(f"option of {kind} {name}", key, parameters)
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and key not in options:
            raise ClbenchError(f"{kind} {name} needs the option {key!r}: {name},{key}=...")
    return plugin(**options)


def _file_module(path: Path) -> ModuleType:
    if not path.is_file():
        raise ClbenchError(f"plugin file {path} does not exist")
    resolved = path.resolve()
    key = f"clbench_file_{resolved.stem}_{abs(hash(str(resolved))):x}"
    if key in sys.modules:
        return sys.modules[key]
    spec = importlib.util.spec_from_file_location(key, resolved)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[key] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        del sys.modules[key]
        raise ClbenchError(
            f"plugin file {path} fails to import: {type(error).__name__}: {error}"
        ) from error
    return module


def _attribute(module: ModuleType, attribute: str, target: str) -> Any:
    if not hasattr(module, attribute):
        public = [name for name in vars(module) if not name.startswith("_")]
        raise unknown(f"attribute of {target}", attribute, public)
    return getattr(module, attribute)
