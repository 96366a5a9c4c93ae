"""Weights from safetensors files, and digests of weights."""

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from clbench.errors import ClbenchError, listing

SHOWN = 3  # names in an error


def load_weights(model: nn.Module, file: Path, classifier: Sequence[str]) -> None:
    """Fill a model with the tensors of a file, cast to the model's types.

    Tensors of the layers named in `classifier` are dropped where the model has none.

    Raises:
        ClbenchError: the file is damaged, or its tensors are not those of the model.
    """
    try:
        found = load_file(file)
    except (SafetensorError, OSError) as error:
        raise ClbenchError(
            f"{file} cannot be read as safetensors: {error}; fetch it again"
        ) from error
    wanted = model.state_dict()
    dropped = {f"{layer}.{part}" for layer in classifier for part in ("weight", "bias")}
    found = {name: tensor for name, tensor in found.items() if name not in dropped - wanted.keys()}
    _check_fit(file, found, wanted)
    model.load_state_dict({name: found[name].to(wanted[name].dtype) for name in wanted})


def _check_fit(file: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    remedy = "choose the model and options that the weights were made with"
    for what, names in (
        ("lacks", sorted(wanted.keys() - found.keys())),
        ("has, unknown to the model,", sorted(found.keys() - wanted.keys())),
    ):
        if names:
            more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
            raise ClbenchError(f"{file} {what} {listing(names[:SHOWN])}{more}; {remedy}")
    for name, tensor in found.items():
        if tensor.shape != wanted[name].shape:
            raise ClbenchError(
                f"{file}: {name} has shape {tuple(tensor.shape)} and the model "
                f"{tuple(wanted[name].shape)}; {remedy}"
            )
        if not torch.isfinite(tensor).all():
            raise ClbenchError(f"{file}: {name} has values that are not finite; fetch it again")


def weights_digest(module: nn.Module) -> str:
    """SHA-256 over names, types, shapes and bytes of the sorted state of a module."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}{tensor.dtype}{tuple(tensor.shape)}".encode())
        data = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(data.numpy().data)
    return digest.hexdigest()
