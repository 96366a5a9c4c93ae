"""Avalanche's streams and models for a setting: same samples, order of classes, architecture.

`images` is how its own split data sets are made: PIL images, transformed one by one. `tensors` is
as fast as it was found to go: digits are floats in memory, with no transform left to do, and
colour images are tensors, cropped and flipped one by one by torchvision. The memory layout is
torch's default, and each ReLU comes before its pooling, which is faster in that layout.
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

from clbench.model.backbone import SMALL
from clbench.source.base import Split
from tests.benchmarks.setting import Setting

Form = Literal["images", "tensors"]


class InMemory(Dataset[tuple[Any, int]]):
    """Samples and labels in memory."""

    def __init__(self, split: Split, form: Form, *, ready: bool) -> None:
        self.form, self.targets = form, split.y.tolist()
        raw = torch.from_numpy(split.x.copy())
        self.x = raw.float() / 255 if ready else raw
        self.images = np.ascontiguousarray(split.x.transpose(0, 2, 3, 1)).squeeze()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        x = self.x[index] if self.form == "tensors" else Image.fromarray(self.images[index])
        return x, self.targets[index]


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
    cropped = opened.recipe["training"].get("augment") == "crop-flip"
    crops = [transforms.RandomCrop(32, padding=4), transforms.RandomHorizontalFlip()]
    last = transforms.ToTensor() if form == "images" else transforms.ConvertImageDtype(torch.float)
    ready = form == "tensors" and not cropped
    return nc_benchmark(
        InMemory(opened.source.train, form, ready=ready),
        InMemory(opened.source.test, form, ready=ready),
        n_experiences=len(opened.stream.class_order) // len(opened.stream.updates[0].classes),
        task_labels=False,
        fixed_class_order=opened.stream.class_order.tolist(),
        class_ids_from_zero_from_first_exp=True,
        train_transform=None if ready else transforms.Compose([*(crops * cropped), last]),
        eval_transform=None if ready else last,
    )
