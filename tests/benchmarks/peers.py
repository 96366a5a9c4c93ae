"""Avalanche's streams and models for a setting: same samples, order of classes, architecture.

`images` is how its own split data sets are made: PIL images, transformed one by one. `tensors` is
as fast as it was found to go: floats in memory, with no transform left to do but, for colour
images, cropping and flipping one by one by torchvision. The memory layout is torch's default, and
each ReLU comes before its pooling, which is faster in that layout.
"""

from typing import Any, Literal

import numpy as np
import torch
from avalanche.benchmarks import nc_benchmark
from avalanche.models import IncrementalClassifier
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import Dataset
from torchvision import transforms

from clbench.interop import avalanche as interop
from clbench.model.backbone import SMALL
from clbench.source.base import Split
from tests.benchmarks.setting import Setting

Form = Literal["images", "tensors"]


class Images(Dataset[tuple[Any, int]]):
    """PIL images and labels in memory."""

    def __init__(self, split: Split) -> None:
        self.targets = split.y.tolist()
        self.images = np.ascontiguousarray(split.x.transpose(0, 2, 3, 1)).squeeze()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        return Image.fromarray(self.images[index]), self.targets[index]


class Growing(nn.Module):
    """The same backbone under Avalanche's own growing head."""

    def __init__(self, backbone: str, shape: tuple[int, ...], n_classes: int) -> None:
        super().__init__()
        self.body = _relu_before_pooling(SMALL[backbone](shape))
        with torch.no_grad():
            width = self.body(torch.zeros(1, *shape)).shape[1]
        self.head = IncrementalClassifier(width, n_classes, masking=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


def _relu_before_pooling(body: nn.Module) -> nn.Module:
    layers = list(body.children())
    for i in range(len(layers) - 1):
        if isinstance(layers[i], nn.MaxPool2d) and isinstance(layers[i + 1], nn.ReLU):
            layers[i], layers[i + 1] = layers[i + 1], layers[i]
    return nn.Sequential(*layers)


def benchmark(setting: Setting, form: Form) -> Any:
    """The stream of a setting, as Avalanche makes it."""
    opened = setting.opened
    augment = opened.recipe["training"].get("augment", "none")
    if form == "tensors":
        return interop.benchmark(opened.stream, opened.source, augment)
    crops = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    cropped = augment == "crop-flip"
    return nc_benchmark(
        Images(opened.source.train),
        Images(opened.source.test),
        n_experiences=len(opened.stream.class_order) // len(opened.stream.updates[0].classes),
        task_labels=False,
        fixed_class_order=opened.stream.class_order.tolist(),
        class_ids_from_zero_from_first_exp=True,
        train_transform=transforms.Compose([*(crops * cropped), transforms.ToTensor()]),
        eval_transform=transforms.ToTensor(),
    )
