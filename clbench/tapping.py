"""What named layers of a method's model put out while it embeds: a pass tells of all at once."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any

import torch
from torch import Tensor, nn

from clbench.errors import ClbenchError, unknown
from clbench.layerfile import PREFIX
from clbench.method import Method


def layers_of(method: Method) -> Mapping[str, nn.Module]:
    """The layers of a built method's model by name, first to last.

    Raises:
        ClbenchError: the method has no model with layers.
    """
    model = getattr(method, "model", None)
    found = dict(model.named_modules()) if isinstance(model, nn.Module) else {}
    found.pop("", None)
    if not found:
        raise ClbenchError(f"{method.card.name} has no model with named layers; leave --layers out")
    return found


def check_layers(method: Method, names: Sequence[str]) -> None:
    """Refuse layers that a built method does not have.

    Raises:
        ClbenchError: a name is unknown; the nearest is suggested.
    """
    for name in names:
        if name not in (known := layers_of(method)):
            raise unknown(f"layer of {method.card.name}", name, known)


class Taps:
    """While entered, keeps what layers of a method's model put out, batch after batch.

    Values over the positions of an image [B, C, H, W] or of a sequence [B, T, d] are averaged, so
    that a layer has a vector a sample, as the embedding has.
    """

    def __init__(self, method: Method, names: Sequence[str]) -> None:
        check_layers(method, names)
        self._method, self._stack = method, ExitStack()
        self._found: dict[str, list[Tensor]] = {name: [] for name in names}

    def __enter__(self) -> "Taps":
        for name, parts in self._found.items():
            layer = layers_of(self._method)[name]

            def keep(
                _: nn.Module, __: Any, output: object, name: str = name, to: list[Tensor] = parts
            ) -> None:
                to.append(self._vectors(name, output))

            self._stack.enter_context(_Hook(layer, keep))
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stack.close()

    def tensors(self, samples: int) -> dict[str, Tensor]:
        """The outputs [samples, d] of each layer.

        Raises:
            ClbenchError: a layer did not put out one finite vector a sample.
        """
        return {PREFIX + name: self._whole(name, samples) for name in self._found}

    def _whole(self, name: str, samples: int) -> Tensor:
        parts = self._found[name]
        rows = sum(map(len, parts))
        if rows != samples:
            reached = "is not passed" if not rows else f"puts out {rows} rows for {samples} samples"
            raise ClbenchError(
                f"layer {name} of {self._method.card.name} {reached} on the way to the embedding; "
                "choose one that each sample passes once"
            )
        if len({part.shape[1] for part in parts}) > 1:
            raise ClbenchError(f"layer {name} of {self._method.card.name} changes its width")
        whole = torch.cat(parts) if parts else torch.zeros(0, 0)
        if not bool(torch.isfinite(whole).all()):
            raise ClbenchError(
                f"layer {name} of {self._method.card.name} puts out values that are not finite; "
                "lower the learning rate"
            )
        return whole

    def _vectors(self, name: str, output: object) -> Tensor:
        if not isinstance(output, Tensor) or output.ndim not in (2, 3, 4):
            found = tuple(output.shape) if isinstance(output, Tensor) else type(output).__name__
            raise ClbenchError(
                f"layer {name} of {self._method.card.name} puts out {found}; need [B, d], "
                "[B, T, d] or [B, C, H, W]"
            )
        positions = {2: (), 3: (1,), 4: (2, 3)}[output.ndim]
        return (output.float().mean(dim=positions) if positions else output.float()).cpu()


class _Hook:
    """A forward hook of a layer, as long as it is entered."""

    def __init__(self, layer: nn.Module, call: Any) -> None:
        self._layer, self._call = layer, call

    def __enter__(self) -> None:
        self._handle = self._layer.register_forward_hook(self._call)

    def __exit__(self, *_: object) -> None:
        self._handle.remove()
