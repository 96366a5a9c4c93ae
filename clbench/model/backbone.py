"""Backbones: small networks, or any model of timm, as maps from samples to features."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from clbench.errors import ClbenchError, unknown
from clbench.model import small
from clbench.model.weights import load_weights
from clbench.paths import find
from clbench.plugin import call
from clbench.pretrained import note
from clbench.spec import Spec

SMALL: dict[str, Callable[..., nn.Module]] = {
    "mlp": small.mlp,
    "convnet": small.convnet,
    "identity": small.identity,
}
Statistics = tuple[Sequence[float], Sequence[float]]  # mean and standard deviation a channel
STATISTICS: dict[str, Statistics] = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "half": ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5)),
}
UNCHANGED: Statistics = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0))
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

    mean: Tensor | None
    std: Tensor | None

    def __init__(
        self, body: nn.Module, shape: tuple[int, ...], mean_std: Statistics | None = None
    ) -> None:
        super().__init__()
        self.body = body
        mean, std = (None, None) if mean_std is None else map(_per_channel, mean_std)
        self.register_buffer("mean", mean, persistent=False)
        self.register_buffer("std", std, persistent=False)
        self.num_features = self._probe(shape)

    def forward(self, x: Tensor) -> Tensor:
        """Features [B, num_features]."""
        if self.mean is not None and self.std is not None:
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
        small_body = call("backbone", spec.name, partial(SMALL[spec.name], shape), spec.options)
        return Backbone(small_body, shape)
    _check_name(spec.name)
    options: dict[str, Any] = dict(spec.options)
    weights, choice = options.pop("weights", None), options.pop("mean_std", None)
    _check(spec, options, choice, shape)
    coloured = weights is not None or choice in STATISTICS
    if coloured and shape[0] not in (1, COLOURS):
        raise ClbenchError(f"backbone {spec} needs images of 1 or 3 channels; samples are {shape}")
    body = _timm_model(spec, options | {"in_chans": COLOURS if coloured else shape[0]}, weights)
    note(spec)
    try:
        return Backbone(body, shape, _statistics(body, choice, weights is not None))
    except Exception as error:
        raise ClbenchError(f"backbone {spec} cannot take samples of {shape}: {error}") from error


def _check(spec: Spec, options: Mapping[str, Any], choice: object, shape: tuple[int, ...]) -> None:
    for key in options.keys() & DECIDED_HERE.keys():
        raise ClbenchError(f"backbone {spec.name}: {key} cannot be set; {DECIDED_HERE[key]}")
    if choice not in (None, "none", *STATISTICS):
        raise unknown(f"mean_std of backbone {spec.name}", str(choice), ("none", *STATISTICS))
    if len(shape) != 3:
        raise ClbenchError(
            f"backbone {spec.name} needs images; samples are {shape}: mlp or identity take vectors"
        )


def _check_name(name: str) -> None:
    import timm  # a second to import, and the small networks do without

    if not timm.is_model(name):
        raise unknown("backbone", name, (*SMALL, *timm.list_models()))


def _timm_model(spec: Spec, options: Mapping[str, Any], weights: object) -> nn.Module:
    import timm

    try:
        model: nn.Module = timm.create_model(
            spec.name, pretrained=weights == "hub", num_classes=0, **options
        )
    except Exception as error:
        raise ClbenchError(f"timm cannot make backbone {spec}: {error}") from error
    if weights not in (None, "hub"):
        classifier = _config(model).get("classifier") or ()
        names = (classifier,) if isinstance(classifier, str) else tuple(classifier)
        load_weights(model, find(str(weights), "weights file"), names)
    return model


def _statistics(body: nn.Module, choice: str | None, pretrained: bool) -> Statistics | None:
    """What to normalise with; weights see three channels even where it is `none`."""
    if choice is None and pretrained:
        return _config(body)["mean"], _config(body)["std"]
    if choice in STATISTICS:
        return STATISTICS[choice]
    return UNCHANGED if pretrained else None


def _config(model: nn.Module) -> Mapping[str, Any]:
    """What timm declares for a model: its normalisation, the names of its classifiers."""
    config: Mapping[str, Any] = vars(model)["pretrained_cfg"]
    return config


def _per_channel(values: Sequence[float]) -> Tensor:
    return torch.tensor(values, dtype=torch.float32).reshape(1, -1, 1, 1)
