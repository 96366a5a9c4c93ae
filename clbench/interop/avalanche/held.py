"""What a strategy of Avalanche keeps between experiences, as a tree of tensors, to be measured.

A buffer of Avalanche is a subset of whole data sets; what counts here are the samples that it
points at, as they are stored. Whatever holds no tensor, data set or list of numbers is passed over.
"""

from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from avalanche.benchmarks import CLExperience, CLScenario, CLStream
from avalanche.benchmarks.utils.data import AvalancheDataset
from avalanche.training.plugins import EvaluationPlugin
from avalanche.training.plugins.clock import Clock
from avalanche.training.templates.base import BaseTemplate
from torch import Tensor, nn

# Loaders point at buffers that are found where they belong, experiences at the current data.
PASSED_OVER = (CLExperience, CLScenario, CLStream, EvaluationPlugin, Clock, BaseTemplate)
IN_FLIGHT = ("model", "optimizer", "plugins", "mbatch", "mb_output", "loss", "adapted_dataset")
Tree = dict[str, Any]


def held(strategy: Any) -> Tree:
    """Tensors by where they are held: model, optimiser, each plugin, the strategy itself."""
    seen: set[int] = set()
    tree = {"model": _walked(strategy.model, seen), "optimiser": _state(strategy.optimizer)}
    for plugin in strategy.plugins:
        name = type(plugin).__name__
        tree[f"{name} 2" if name in tree else name] = _walked(plugin, seen)
    rest = {k: v for k, v in vars(strategy).items() if k not in IN_FLIGHT}
    tree["strategy"] = _walked(rest, seen)
    return {name: part for name, part in tree.items() if part}


def _walked(value: Any, seen: set[int]) -> Any:
    """The tensors that can be reached from a value, each once; None where there are none."""
    if isinstance(value, Tensor):
        return _once(value, seen)
    if id(value) in seen or isinstance(value, PASSED_OVER):
        return None
    seen.add(id(value))
    if isinstance(value, nn.Module):
        return _children(value.state_dict().items(), seen)
    if isinstance(value, AvalancheDataset):
        return _samples(value) if len(value) else None
    if isinstance(value, Mapping):
        return _children(value.items(), seen)
    if isinstance(value, list | tuple | set | deque):
        return _numbers(value) if _plain(value) else _children(enumerate(value), seen)
    if type(value).__module__.startswith("avalanche.") and not _loads(value):
        return _children(vars(value).items(), seen)
    return None


def _once(tensor: Tensor, seen: set[int]) -> Tensor | None:
    """A tensor whose memory was not met under another name, as parameters are in optimisers."""
    where = tensor.untyped_storage().data_ptr()
    if not tensor.numel() or where in seen:
        return None
    seen.add(where)
    return tensor.detach()


def _children(items: Iterable[tuple[object, Any]], seen: set[int]) -> Tree | None:
    found = {str(name).replace("/", "."): _walked(value, seen) for name, value in items}
    return {name: part for name, part in found.items() if part is not None} or None


def _samples(data: Any) -> Tree:
    """Its samples as they are stored, their labels, and what else a sample has."""
    columns: Tree = {"x": torch.stack([_stored(data, i) for i in range(len(data))])}
    for name, attribute in data._data_attributes.items():
        column = [attribute[i] for i in range(len(data))]
        columns[name] = torch.stack(column) if _tensors(column) else torch.tensor(column)
    return columns


def _stored(data: Any, index: int) -> Tensor:
    """One sample as the data set at the bottom has it: before it became an input, if it says."""
    flat, place = data._flat_data, index
    while hasattr(flat, "_get_idx"):
        number, place = flat._get_idx(place)
        flat = flat._datasets[number]
    raw = getattr(flat, "raw", None)
    found: Tensor = flat[place][0] if raw is None else raw[place]
    return found


def _tensors(column: list[Any]) -> bool:
    """Whether these are tensors of one shape."""
    return all(isinstance(v, Tensor) for v in column) and len({v.shape for v in column}) == 1


def _plain(values: Iterable[Any]) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _numbers(values: Iterable[float]) -> Tensor | None:
    return torch.tensor(list(values)) if values else None


def _loads(value: object) -> bool:
    return "data_loader" in type(value).__module__


def _state(optimiser: Any) -> Tree | None:
    """Momentum and the like, by the number of the parameter."""
    if optimiser is None:
        return None
    states = optimiser.state_dict()["state"]
    found = {
        str(number): {k: v for k, v in state.items() if isinstance(v, Tensor)}
        for number, state in states.items()
    }
    return {number: state for number, state in found.items() if state} or None
