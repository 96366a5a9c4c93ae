"""Avalanche's experiences and benchmarks, made of samples and index arrays of ours."""

from itertools import pairwise
from types import SimpleNamespace
from typing import Any

import torch
from avalanche.benchmarks import CLScenario, DatasetExperience, EagerCLStream
from avalanche.benchmarks.utils.classification_dataset import (
    TaskAwareSupervisedClassificationDataset,
)
from avalanche.benchmarks.utils.data_attribute import DataAttribute, TaskLabels
from avalanche.benchmarks.utils.flat_data import ConstantSequence
from avalanche.benchmarks.utils.transform_groups import TransformGroups
from torch import Tensor
from torch.utils.data import Dataset
from torchvision import transforms

from clbench.augment import PAD, Augmentation, to_input
from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import Stream


class Resident(Dataset[tuple[Tensor, int]]):
    """Samples in memory: `raw` [n, ...] as they are stored, `x` as a model takes them."""

    def __init__(self, raw: Tensor, y: Tensor) -> None:
        self.raw, self.x, self.targets = raw, to_input(raw), y.tolist()

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, index: int) -> tuple[Tensor, int]:
        return self.x[index], self.targets[index]


def dataset(
    raw: Tensor, y: Tensor, ids: Tensor, task: int | None, augmentation: Augmentation
) -> Any:
    """Stored samples [n, ...] with labels and ids [n]; the transform is of training alone."""
    transform = augmenting(augmentation, raw)
    groups = TransformGroups({"train": (transform, None), "eval": None}) if transform else None
    return TaskAwareSupervisedClassificationDataset(
        [Resident(raw, y)],
        data_attributes=[
            DataAttribute(y.tolist(), "targets"),
            TaskLabels(ConstantSequence(task or 0, len(y))),
            DataAttribute(ids.tolist(), "ids"),
        ],
        transform_groups=groups,
    )


def augmenting(how: Augmentation, raw: Tensor) -> Any:
    """Our augmentation of one image as torchvision does it; None where there is none."""
    if how == "none" or raw.ndim != 4:
        return None
    crop = [transforms.RandomCrop(tuple(raw.shape[-2:]), padding=PAD)] * (how == "crop-flip")
    return transforms.Compose([*crop, transforms.RandomHorizontalFlip()])


def experience(data: Any, index: int, known: int, seen: int, task: int | None) -> Any:
    """One experience, before which so many classes were known, and after which so many are."""
    made = DatasetExperience(dataset=data, current_experience=index)
    made.origin_stream = EagerCLStream("train", [made], set_stream_info=False)
    made.classes_in_this_experience = sorted(data.targets.uniques)
    made.previous_classes = list(range(known))
    made.classes_seen_so_far = list(range(seen))
    if task is not None:
        made.task_label, made.task_labels = task, [task]
    return made


def timeline(widths: list[int]) -> SimpleNamespace:
    """What some strategies ask of a class-incremental benchmark: how many classes come when.

    `widths` are the classes known before each update and after the last.
    """
    new = [after - before for before, after in pairwise(widths)]
    return SimpleNamespace(n_classes_per_exp=new, classes_order=list(range(widths[-1])))


def of_stream(stream: Stream, source: Source, augmentation: Augmentation) -> Any:
    """The benchmark of a stream."""
    if strange := sorted({update.kind for update in stream.updates} - {"learn"}):
        raise ClbenchError(
            f"{stream.name} has updates of kind {', '.join(strange)}; Avalanche knows learn alone"
        )
    widths = [stream.n_classes(version) for version in range(len(stream.updates) + 1)]
    training = [
        experience(
            _taken(stream, source, "train", u.samples, u.task, augmentation),
            u.index,
            widths[u.index],
            widths[u.index + 1],
            u.task,
        )
        for u in stream.updates
    ]
    testing = [
        experience(
            _taken(stream, source, e.split, e.samples, None, "none"),
            index,
            widths[max(0, e.since - 1)],
            widths[e.since],
            stream.updates[max(0, e.since - 1)].task,
        )
        for index, e in enumerate(stream.evals)
    ]
    made = CLScenario([EagerCLStream("train", training), EagerCLStream("test", testing)])
    for each in (*training, *testing):
        each.benchmark = timeline(widths)
    return made


def _taken(
    stream: Stream,
    source: Source,
    split: Any,
    ids: IntArray,
    task: int | None,
    augmentation: Augmentation,
) -> Any:
    part, labels = source.split(split), stream.label_map(len(source.classes))
    raw, y = torch.from_numpy(part.x[ids].copy()), torch.from_numpy(labels[part.y[ids]])
    return dataset(raw, y, torch.from_numpy(ids.copy()), task, augmentation)
