"""A method's card: what a reader and the runner need to know of it, without torch."""

import ast
import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from clbench.errors import ClbenchError

if TYPE_CHECKING:
    from clbench.stream import Kind  # listing cards is to load no numpy

Need = Literal["past", "replay", "task-ids", "pretrained"]


@dataclass(frozen=True)
class Card:
    """What a method is and what it needs.

    `needs`: `past` (all past training data at every update), `replay` (it stores samples),
    `task-ids` (at test), `pretrained` (features that were trained before). A `control` stands on
    every board for calibration and is granted the past it needs. `notes` names every
    simplification and every choice that the paper leaves open.
    """

    name: str
    paper: str
    family: str
    plays: tuple["Kind", ...] = ("learn",)
    needs: tuple[Need, ...] = ()
    control: bool = False
    notes: str = ""


def read_card(target: str) -> Card:
    """The card of `module:Class`, read from the source text: nothing is imported.

    Raises:
        ClbenchError: there is no such module or class, or its card is not written in literals.
    """
    for statement in definition(target).body:
        value = statement.value if isinstance(statement, ast.Assign | ast.AnnAssign) else None
        if isinstance(value, ast.Call) and ast.unparse(value.func) == "Card":
            try:
                return Card(**keywords(value))
            except TypeError as error:
                raise ClbenchError(f"{target}: its card is incomplete: {error}") from error
    raise ClbenchError(f"{target} has no card = Card(key=literal, ...)")


def definition(target: str) -> ast.ClassDef | ast.FunctionDef:
    """The syntax tree of the class or function at `module:name`."""
    module, _, name = target.partition(":")
    for node in _parse(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return node
    raise ClbenchError(f"{target}: the module defines no {name!r}")


def keywords(call: ast.Call) -> dict[str, Any]:
    """The keyword arguments of a call that are literals."""
    found: dict[str, Any] = {}
    for keyword in call.keywords:
        with suppress(ValueError):
            found[str(keyword.arg)] = ast.literal_eval(keyword.value)
    return found


@cache  # several plugins share a module
def _parse(module: str) -> ast.Module:
    file = source_file(module)
    if file is None:
        raise ClbenchError(f"{module} cannot be found")
    try:
        return ast.parse(file.read_bytes())
    except (SyntaxError, ValueError, OSError) as error:
        raise ClbenchError(f"{file} cannot be read as Python: {error}") from error


def source_file(module: str) -> Path | None:
    """The file of a module, found without importing it or its packages; None if there is none."""
    path, name, spec = None, "", None
    for part in module.split("."):
        name = f"{name}.{part}" if name else part
        try:
            spec = PathFinder.find_spec(name, path) if path else importlib.util.find_spec(name)
        except (ImportError, ValueError):
            return None
        if spec is None:
            return None
        path = spec.submodule_search_locations
    file = Path(spec.origin) if spec and spec.origin else None
    return file if file and file.is_file() else None
