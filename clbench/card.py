"""A method's card: what a reader and the runner need to know of it, without torch."""

import ast
import importlib.util
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from clbench.errors import ClbenchError, unknown

if TYPE_CHECKING:
    from clbench.stream import Kind  # listing cards is to load no numpy

Need = Literal["past", "task-ids", "retained", "forget-labels", "retraining"]
Original = Literal["plain", "own"]
Stores = Literal["nothing", "statistics", "labels", "samples"]  # each may keep those before it, too
Passes = Literal["one", "many"]


@dataclass(frozen=True)
class Card:
    """What a method is, what it needs and what it uses.

    Attributes:
        needs: what the protocol has to grant, and is shown to no method that does not need it:
            `past` (all past training data at every update), `task-ids` (the task of an update);
            at forget updates `retained` (of the data that is to be kept, what the protocol says),
            `forget-labels` (labels of the samples to forget), `retraining` (as much compute as
            training anew takes, whatever share of it the protocol allows).
        stores: what it keeps of past data beside weights: `nothing`; `statistics` (class means,
            covariances, importances of weights); `labels` of single samples; `samples`, as they
            are or as features (replay).
        passes: `one` if it can read the samples of an update once, in order of arrival, as
            online protocols have it; `many` if it cannot.
        retained_only: at forget updates it reads retained data alone, no sample to forget.
        original: `plain` if its first learn update is plain training of `self.model` (a `Network`)
            by `self.training`, exactly as `finetune` does, so that one store of trained originals
            serves all such methods; `own` if it learns in a way of its own.
        control: stands on every board for calibration, and is granted what it needs (all of the
            retained data, too), but for task ids.
        notes: every simplification, and every choice that the paper leaves open.

    Raises:
        ClbenchError: `needs`, `stores`, `passes` or `original` has another value, or
            `retained_only` stands without the need for retained data.
    """

    name: str
    paper: str
    family: str
    plays: tuple["Kind", ...] = ("learn",)
    needs: tuple[Need, ...] = ()
    stores: Stores = "nothing"
    passes: Passes = "one"
    retained_only: bool = False
    original: Original = "own"
    control: bool = False
    notes: str = ""

    def __post_init__(self) -> None:
        for need in self.needs:
            _check_known(self.name, "needs", need, get_args(Need))
        _check_known(self.name, "stores", self.stores, get_args(Stores))
        _check_known(self.name, "passes", self.passes, get_args(Passes))
        _check_known(self.name, "original", self.original, get_args(Original))
        if self.retained_only and "retained" not in self.needs:
            raise ClbenchError(
                f"the card of {self.name} says retained_only=True and needs no retained data; "
                'add "retained" to needs'
            )


def _check_known(card: str, field: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise unknown(f"value of {field} in the card of {card}", value, known)


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
