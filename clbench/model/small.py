"""Small networks without pretrained weights, for CPU work and for many models at once."""

import math
from itertools import pairwise

from torch import Tensor, nn

from clbench.errors import ClbenchError

GROUP = 8  # channels that are normalised together


def mlp(shape: tuple[int, ...], width: int = 256, depth: int = 2) -> nn.Module:
    """`depth` hidden layers of `width` units with ReLU; images are flattened. [B, width]."""
    _check_positive("mlp", width=width, depth=depth)
    sizes = [math.prod(shape), *[width] * depth]
    layers: list[nn.Module] = [nn.Flatten()]
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers)


def convnet(shape: tuple[int, ...], width: int = 32, depth: int = 3) -> nn.Module:
    """`depth` blocks of 3x3 convolution, 2x2 max pooling, GroupNorm and ReLU, then the mean.

    Widths double: `width`, 2 `width`, ...; features are [B, width * 2**(depth - 1)]. Pooling ends
    where a side would vanish, so images of 8x8 pixels do. GroupNorm rather than BatchNorm: no
    running statistics that mix updates, batches of one work, and it is as fast on a CPU. It comes
    after pooling, where it has a quarter of the values to read.

    Raises:
        ClbenchError: samples are vectors.
    """
    _check_positive("convnet", width=width, depth=depth)
    if len(shape) != 3:
        raise ClbenchError(f"backbone convnet needs images; samples are {shape}: mlp takes vectors")
    side, before = min(shape[1:]), shape[0]
    layers: list[nn.Module] = []
    for after in (width << block for block in range(depth)):
        groups = after // GROUP if after % GROUP == 0 else 1
        layers += [nn.Conv2d(before, after, 3, padding=1, bias=False)]
        layers += [nn.MaxPool2d(2)] if side > 1 else []
        layers += [GroupNorm(groups, after), nn.ReLU()]
        side, before = max(side // 2, 1), after
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class GroupNorm(nn.GroupNorm):
    """GroupNorm in float32, whatever comes in.

    This is what autocast does on a GPU; on a CPU it would stay in bfloat16, three times slower.
    """

    def forward(self, x: Tensor) -> Tensor:
        """`x` [B, C, H, W] with each group of channels at mean 0 and variance 1, then scaled."""
        return super().forward(x.float())


def identity(shape: tuple[int, ...]) -> nn.Module:
    """Vectors as they are; images are flattened. [B, d]."""
    return nn.Flatten()


def _check_positive(name: str, **options: int) -> None:
    for key, value in options.items():
        if type(value) is not int or value < 1:
            raise ClbenchError(f"backbone {name}: {key} must be 1 or more; got {value}")
