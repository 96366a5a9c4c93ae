"""From `Replay` or `Naive+EWC` to a method class; arguments of constructors are hyperparameters."""

import inspect
import types
from collections.abc import Iterable
from functools import cache
from typing import Any, Literal, get_args, get_origin

import avalanche
from avalanche.training import plugins, supervised
from avalanche.training.plugins import EvaluationPlugin, SupervisedPlugin
from avalanche.training.templates.base import BaseTemplate

from clbench.errors import ClbenchError, unknown
from clbench.interop.avalanche.strategy import OFFERED, AvalancheMethod
from clbench.method import Card, Field, Method

LIBRARY = "2104.00405"
PAPERS = {
    "AGEM": "1812.00420",
    "BiC": "1905.13260",
    "CoPE": "2009.00919",
    "DER": "2004.07211",
    "ER_ACE": "2104.05025",
    "ER_AML": "2104.05025",
    "EWC": "1612.00796",
    "GDumb": "doi:10.1007/978-3-030-58536-5_31",
    "GEM": "1706.08840",
    "GSS_greedy": "1903.08671",
    "ICaRL": "1611.07725",
    "LFL": "1607.00122",
    "LwF": "1606.09282",
    "MAS": "1711.09601",
    "MER": "1810.11910",
    "MIR": "1908.04742",
    "RWalk": "1801.10112",
    "Replay": "1902.10486",
    "SCR": "2103.13885",
    "StreamingLDA": "1909.01520",
    "SynapticIntelligence": "1703.04200",
}
FIXED_WIDTH = ("DER", "ICaRL", "StreamingLDA")  # they want all their outputs from the start
# Those that see a sample of the current data once where there is one epoch: they take no pass of
# its own for importances, exemplars or logits.
ONE_PASS = {"AGEM", "ER_ACE", "GEM", "LwF", "Naive", "Replay", "StreamingLDA"}
ONE_PASS |= {"SynapticIntelligence"}
PLAIN = (int, float, bool, str, types.NoneType)
NOTES = (
    "Avalanche's strategy as it is, on our network and batches: one update is one experience. Its "
    "optimiser lives on from update to update. What it holds cannot be put back from tensors, so "
    "that it is not made anew after updates, and cannot be continued; bytes are those of all "
    "tensors and samples that its model, optimiser, plugins and buffers hold."
)


@cache  # a class made twice would be two
def method_class(name: str) -> type[Method]:
    """The method class of a strategy, with plugins behind plus signs."""
    first, *further = name.split("+")
    parts = [
        _found("strategy", first, _strategies()),
        *(_found("plugin", each, _plugins()) for each in further),
    ]
    fields = _fields(name, parts)
    namespace: dict[str, Any] = {
        "__module__": AvalancheMethod.__module__,
        "__doc__": f"Avalanche's {name}.",
        "__annotations__": {
            **{key: kind for key, (kind, _) in fields.items()},
            "avalanche_lib": Literal[avalanche.__version__],
        },
        "card": _card(name, [first, *further], fields),
        "avalanche_lib": avalanche.__version__,
        "parts": tuple(parts),
        "arguments": tuple(tuple(_own(part)) for part in parts),
        **{key: default for key, (_, default) in fields.items() if default is not inspect._empty},
    }
    if any(default is inspect._empty for _, default in fields.values()):
        namespace["tunes"] = ()  # a search starts from defaults, and it has not all
    if first in FIXED_WIDTH:
        namespace["__annotations__"]["room"] = int
        namespace["room"] = Field(100, ge=1, description="classes that it is made for")
    return types.new_class(
        f"Avalanche{first}", (AvalancheMethod,), {}, lambda ns: ns.update(namespace)
    )


def _card(name: str, parts: list[str], fields: Iterable[str]) -> Card:
    papers = [PAPERS[part] for part in parts if part in PAPERS] or [LIBRARY]
    memory = {"mem_size", "memory_size", "patterns_per_exp", "patterns_per_experience", "rm_sz"}
    stores = memory & set(fields) or {"Cumulative", "JointTraining"} & set(parts)
    return Card(
        name=f"avalanche:{name}",
        paper=", ".join(papers),
        family="avalanche",
        stores="samples" if stores else "statistics",
        passes="one" if ONE_PASS.issuperset(parts) else "many",
        notes=NOTES,
    )


def _strategies() -> dict[str, type]:
    return _classes(supervised, BaseTemplate)


def _plugins() -> dict[str, type]:
    found = _classes(plugins, SupervisedPlugin)
    return {name.removesuffix("Plugin"): kind for name, kind in found.items() if _usable(kind)}


def _usable(kind: type) -> bool:
    return kind not in (SupervisedPlugin, EvaluationPlugin)


def _classes(module: Any, base: type) -> dict[str, type]:
    public = {k: v for k, v in vars(module).items() if not k.startswith("_")}
    return {k: v for k, v in public.items() if isinstance(v, type) and issubclass(v, base)}


def _found(kind: str, name: str, known: dict[str, type]) -> type:
    if name not in known:
        raise unknown(f"{kind} of Avalanche", name, known)
    return known[name]


def _fields(name: str, parts: list[type]) -> dict[str, tuple[Any, Any]]:
    """Hyperparameters of the parts: type and default by name."""
    found: dict[str, tuple[Any, Any]] = {}
    for part in parts:
        for key, parameter in _own(part).items():
            if key in found:
                raise ClbenchError(
                    f"avalanche:{name}: two of its parts have an argument {key!r}, which one value "
                    "cannot set; combine others"
                )
            found[key] = (_type(name, parameter), parameter.default)
    return found


def _own(part: type) -> dict[str, inspect.Parameter]:
    """The arguments that are hyperparameters: plain values that we do not offer."""
    return {
        key: parameter
        for key, parameter in inspect.signature(part).parameters.items()
        if key not in OFFERED
        and parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL)
        and (parameter.default is parameter.empty or _is_plain(parameter.default))
        and not (parameter.default is None and not _says_plain(parameter.annotation))
    }


def _type(name: str, parameter: inspect.Parameter) -> Any:
    if parameter.annotation is not parameter.empty:
        if _says_plain(parameter.annotation):
            return parameter.annotation
        raise ClbenchError(
            f"avalanche:{name} wants {parameter.name}, a {parameter.annotation}, for which there "
            "is no hyperparameter; write a method class that makes it"
        )
    return Any if parameter.default is parameter.empty else type(parameter.default)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, PLAIN)


def _says_plain(annotation: Any) -> bool:
    """Whether an annotation is of plain values or lists of them; none given counts as that."""
    if annotation is inspect.Parameter.empty or annotation in PLAIN:
        return True
    if get_origin(annotation) is Literal:
        return True
    return get_origin(annotation) is not None and all(map(_says_plain, get_args(annotation)))
