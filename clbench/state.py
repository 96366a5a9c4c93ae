"""A method's state as bytes: tensors in safetensors, plain values in JSON, never pickle."""

import json
from collections.abc import Mapping
from math import isfinite
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from clbench.errors import ClbenchError

State = Mapping[str, Any]  # a tree: names to tensors, plain values or further trees
TENSORS, VALUES = "state.safetensors", "state.json"
RESERVED = "__metadata__"  # of safetensors
_PLAIN = (bool, int, float, str, type(None))


def pack(state: State) -> dict[str, bytes]:
    """A state tree as files by name.

    Raises:
        ClbenchError: something in the tree is neither a tensor nor a plain value, or a key would
            not come back as it was.
    """
    tensors: dict[str, Tensor] = {}
    values = _split(state, (), tensors)
    return {TENSORS: save(tensors), VALUES: json.dumps(values, allow_nan=False).encode()}


def unpack(files: Mapping[str, bytes], device: torch.device) -> dict[str, Any]:
    """The state tree that `pack` wrote, its tensors on a device."""
    try:
        tensors = load(files[TENSORS])
    except SafetensorError as error:
        raise ClbenchError(f"{TENSORS} cannot be read: {error}") from error
    tree: dict[str, Any] = json.loads(files[VALUES])
    for path, tensor in tensors.items():
        *parents, name = path.split("/")
        branch = tree
        for parent in parents:
            branch = branch[parent]
        branch[name] = tensor.to(device)
    return tree


def sizes(state: State) -> dict[str, int]:
    """Bytes of each top-level part of a packable tree: of its tensors, and its values as JSON."""
    return {name: _bytes(part) for name, part in state.items()}


def _bytes(part: Any) -> int:
    if isinstance(part, Tensor):
        return part.nbytes
    if isinstance(part, Mapping):
        return sum(map(_bytes, part.values()))
    return len(json.dumps(part).encode())


def _split(tree: State, path: tuple[str, ...], tensors: dict[str, Tensor]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        where = _named(name, path)
        if isinstance(value, Tensor):
            # A copy, since safetensors refuses tensors that share memory.
            tensors["/".join(where)] = value.detach().cpu().clone().contiguous()
        elif isinstance(value, Mapping):
            values[name] = _split(value, where, tensors)
        elif _is_plain(value):
            values[name] = value
        else:
            raise ClbenchError(
                f"state {'/'.join(where)} is {_described(value)}; "
                "only tensors, finite numbers, text, lists of them and dictionaries are carried"
            )
    return values


def _named(name: object, path: tuple[str, ...]) -> tuple[str, ...]:
    """The path of a key, which must come back as it was."""
    if not isinstance(name, str):
        raise ClbenchError(
            f"state {'/'.join((*path, str(name)))} has a key that is a {type(name).__name__}; "
            "keys are text, since others would not come back as they were"
        )
    if "/" in name or name == RESERVED:
        raise ClbenchError(
            f"state {'/'.join(path) or 'itself'} has the key {name!r}; "
            f"a slash separates levels, and {RESERVED} is not free: choose another"
        )
    return (*path, name)


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN) and not (isinstance(value, float) and not isfinite(value))


def _described(value: object) -> str:
    """What a value is that cannot be carried."""
    if isinstance(value, list | tuple):
        return f"a list with {_described(next(v for v in value if not _is_plain(v)))}"
    return str(value) if isinstance(value, float) else f"a {type(value).__name__}"
