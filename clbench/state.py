"""A method's state as bytes: tensors in safetensors, plain values in JSON, never pickle."""

import json
from collections.abc import Mapping
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from clbench.errors import ClbenchError

State = Mapping[str, Any]  # a tree: names to tensors, plain values or further trees
TENSORS, VALUES = "state.safetensors", "state.json"
_PLAIN = (bool, int, float, str, type(None))


def pack(state: State) -> dict[str, bytes]:
    """A state tree as files by name.

    Raises:
        ClbenchError: something in the tree is neither a tensor nor a plain value.
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
    """Bytes of each top-level part of a state tree, as it is written."""
    return {name: sum(map(len, pack({name: part}).values())) for name, part in state.items()}


def _split(tree: State, path: tuple[str, ...], tensors: dict[str, Tensor]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in tree.items():
        where = (*path, str(name))
        if "/" in str(name):
            raise ClbenchError(f"state key {name!r} holds a slash, which separates levels")
        if isinstance(value, Tensor):
            # A copy, since safetensors refuses tensors that share memory.
            tensors["/".join(where)] = value.detach().cpu().clone().contiguous()
        elif isinstance(value, Mapping):
            values[str(name)] = _split(value, where, tensors)
        elif _is_plain(value):
            values[str(name)] = value
        else:
            raise ClbenchError(
                f"state {'/'.join(where)} is a {type(value).__name__}; "
                "only tensors, numbers, text, lists of them and dictionaries are carried"
            )
    return values


def _is_plain(value: object) -> bool:
    if isinstance(value, list | tuple):
        return all(map(_is_plain, value))
    return isinstance(value, _PLAIN)
