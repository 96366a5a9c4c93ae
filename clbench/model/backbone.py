"""Backbones: small networks, or any model of timm, as maps from samples to features."""

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from clbench.errors import ClbenchError
from clbench.model import small
from clbench.model.weights import load_weights
from clbench.plugin import call
from clbench.spec import Spec

SMALL: dict[str, Callable[..., nn.Module]] = {
    "mlp": small.mlp,
    "convnet": small.convnet,
    "identity": small.identity,
}
STATISTICS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
COLOURS = 3
DECIDED_HERE = {
    "num_classes": "a backbone has no classifier",
    "pretrained": "use weights=hub",
    "in_chans": "it follows from the source",
}


class Backbone(nn.Module):
    """Features [B, num_features] of float32 images [B, C, H, W] in [0, 1] or of vectors [B, d].

    `mean_std` normalises inside, channel by channel; grey images are repeated to as many channels
    as it has. It is no part of the state, being a part of the spec.
    """

    def __init__(
        self,
        body: nn.Module,
        shape: tuple[int, ...],
        mean_std: tuple[Sequence[float], Sequence[float]] | None = None,
    ) -> None:
        super().__init__()
        self.body = body
        mean, std = (None, None) if mean_std is None else map(_per_channel, mean_std)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.num_features = self._probe(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, num_features]."""
        if self.mean is not None:
            x = (x - self.mean) / self.std
        features: Tensor = self.body(x)
        return features

    @torch.no_grad()
    def _probe(self, shape: tuple[int, ...]) -> int:
        """The width of the features, found by a pass that changes no state."""
        training = self.training
        features = self.eval()(torch.zeros(1, *shape))
        self.train(training)
        if features.ndim != 2:
            raise ValueError(f"it gives features of shape {tuple(features.shape)}, not [B, d]")
        return int(features.shape[1])


def build_backbone(spec: Spec, shape: tuple[int, ...]) -> Backbone:
    """A backbone for samples of the given shape, from `name,option=value,...`.

    `mlp` (width, depth), `convnet` (width, depth), `identity`, or the name of a timm model, with

    - `weights=hub` for timm's pretrained weights, `weights=<safetensors>` for a file, looked for
      as given and under the data folder; a classifier in it is dropped;
    - `mean_std=imagenet|half|none`, by default what timm declares for the model where there are
      weights, else `none`;
    - any option of `timm.create_model`, such as `img_size=32`.

    A timm model takes the source's channels as they are; with weights, or with a `mean_std`, it
    takes three and grey images are repeated. Weights are drawn from torch's global generator.

    Raises:
        ClbenchError: the name or an option is unknown, weights do not fit, or samples do not.
    """
    if spec.name in SMALL:
        body: nn.Module = call("backbone", spec.name, SMALL[spec.name], {"shape": shape} | spec.options)
        return Backbone(body, shape)
    return _timm_backbone(spec, shape)


def _timm_backbone(spec: Spec, shape: tuple[int, ...]) -> Backbone:
    options: dict[str, Any] = dict(spec.options)
    weights, choice = options.pop("weights", None), options.pop("mean_std", None)
    _check_options(spec, options, choice)
    if len(shape) != COLOURS:
        raise ClbenchError(
            f"backbone {spec.name} needs images; samples are {shape}: mlp or identity take vectors"
        )
    coloured = weights is not None or choice in STATISTICS
    if coloured and shape[0] not in (1, COLOURS):
        raise ClbenchError(f"backbone {spec} needs images of 1 or 3 channels; samples are {shape}")
    body = _timm_model(spec, options | {"in_chans": COLOURS if coloured else shape[0]}, weights)
