"""What of a backbone is trained on little data: all of it, or few parameters put into it.

- `full`: every parameter;
- `film`: scale and shift of the normalisation layers (FiLM, 2303.13199);
- `ssf`: a scale and a shift after every linear, convolutional and normalisation layer (2210.08823);
- `adapter`: a bottleneck beside the MLP of every transformer block (AdaptFormer, 2205.13535).

All start as the identity: what the backbone answers is unchanged before training.
"""

import math
from collections.abc import Callable
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from clbench.errors import ClbenchError
from clbench.model.backbone import Backbone

Form = Literal["full", "film", "ssf", "adapter"]
NORMS = (nn.LayerNorm, nn.GroupNorm, _BatchNorm)
SCALED = (nn.Linear, nn.Conv2d, *NORMS)
ADAPTER_WIDTH, ADAPTER_SCALE = 64, 0.1


class ScaleShift(nn.Module):
    """A layer followed by a scale and a shift a channel (SSF)."""

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self.scale = nn.Parameter(torch.ones(_channels(layer)))
        self.shift = nn.Parameter(torch.zeros(_channels(layer)))
        last = isinstance(layer, nn.Linear | nn.LayerNorm) and "2d" not in type(layer).__name__
        self._trailing = 0 if last else 2  # axes after the channels: those of an image

    def forward(self, x: Tensor) -> Tensor:
        """The layer's output, scaled and shifted."""
        y: Tensor = self.layer(x)
        shape = (-1, *[1] * (self._trailing if y.ndim == 4 else 0))
        return y * self.scale.view(shape) + self.shift.view(shape)


class BesideMLP(nn.Module):
    """mlp(norm(x)) + 0.1 up(relu(down(x))): the part of a block that follows its attention."""

    def __init__(self, norm: nn.Module, mlp: nn.Module, d: int) -> None:
        super().__init__()
        self.norm, self.mlp = norm, mlp
        self.down, self.up = nn.Linear(d, ADAPTER_WIDTH), nn.Linear(ADAPTER_WIDTH, d)
        nn.init.kaiming_uniform_(self.down.weight, a=math.sqrt(5))
        for parameter in (self.down.bias, self.up.weight, self.up.bias):
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor) -> Tensor:
        """The MLP of the normalised tokens [B, T, d], and the adapter of the tokens themselves."""
        beside: Tensor = self.up(self.down(x).relu())
        return self.mlp(self.norm(x)) + ADAPTER_SCALE * beside  # type: ignore[no-any-return]


def adapt(backbone: Backbone, form: Form) -> list[str]:
    """Leave only the parameters of a form to be trained, putting them in; returns their names.

    Raises:
        ClbenchError: the backbone has no layers that the form works on.
    """
    if form == "full":
        return [name for name, _ in backbone.named_parameters()]
    backbone.requires_grad_(False)
    where, put_in = _FORMS[form]
    for part in put_in(backbone):
        for parameter in part:
            parameter.requires_grad_(True)
    names = [name for name, p in backbone.named_parameters() if p.requires_grad]
    if not names:
        raise ClbenchError(
            f"form {form} works on {where}, of which the backbone has none; "
            "choose another form, or a backbone that has them"
        )
    return names


def _film(backbone: Backbone) -> list[list[nn.Parameter]]:
    # A normalisation with scale and shift, scaled and shifted again, is one with others.
    return [list(m.parameters(recurse=False)) for m in backbone.modules() if isinstance(m, NORMS)]


def _ssf(backbone: Backbone) -> list[list[nn.Parameter]]:
    added = []
    for parent in list(backbone.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, SCALED) and not isinstance(parent, ScaleShift):
                scaled = ScaleShift(layer)
                setattr(parent, name, scaled)
                added.append([scaled.scale, scaled.shift])
    return added


def _bottlenecks(backbone: Backbone) -> list[list[nn.Parameter]]:
    from timm.models.vision_transformer import Block  # a second to import

    added = []
    for block in [m for m in backbone.modules() if isinstance(m, Block)]:
        beside = BesideMLP(block.norm2, block.mlp, _channels(block.norm2))
        block.norm2, block.mlp = nn.Identity(), beside
        added.append([*beside.down.parameters(), *beside.up.parameters()])
    return added


def _channels(layer: nn.Module) -> int:
    """How many channels a layer gives."""
    for name in ("out_features", "out_channels", "num_features", "num_channels"):
        if hasattr(layer, name):
            return int(getattr(layer, name))
    return int(layer.normalized_shape[-1])  # type: ignore[index]


_FORMS: dict[str, tuple[str, Callable[[Backbone], list[list[nn.Parameter]]]]] = {
    "film": ("normalisation layers", _film),
    "ssf": ("linear, convolutional and normalisation layers", _ssf),
    "adapter": ("the MLPs of timm's vision transformers", _bottlenecks),
}
