"""The labelled image data sets of torchvision."""

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from clbench.errors import ClbenchError, unknown
from clbench.paths import data_dir
from clbench.source.base import Source, spec_of
from clbench.source.contents import Contents, Pending
from clbench.source.image import DECODER, Item, check_options, pending, shape_of
from clbench.source.store import stored


def torchvision(
    name: str,
    root: str | None = None,
    train: str = "train",
    test: str = "test",
    size: int | None = None,
    channels: int | None = None,
    download: bool = False,
) -> Source:
    """A data set class such as `CIFAR100`, `MNIST` or `SVHN`, decoded once.

    `root` is the folder given to the class, and should hold nothing else; by default `name` in
    the data folder. `train` and `test` are the names of the splits where the class takes `split`
    instead of `train`, as in `train=trainval`. Nothing is downloaded unless `download=true`.

    Raises:
        ClbenchError: the class is unknown, its data is missing, or it is not labelled images.
    """
    check_options(size, channels)
    folder = (data_dir() / str(name) if root is None else Path(str(root)).expanduser()).resolve()

    def contents() -> Contents:
        trains = _opened(name, folder, True, train, download)
        tests = _opened(name, folder, False, test, download)
        items = _items(name, trains)
        shape = shape_of(next(items), size, channels)
        classes = _classes(name, trains)

        def split(dataset: Any, label: str) -> Pending:
            return pending(_items(name, dataset), len(dataset), shape, (), f"decoding {label}")

        return Contents(classes, split(trains, "train"), split(tests, "test"))

    def raw() -> list[Path]:
        return sorted(path for path in folder.rglob("*") if path.is_file())

    options = {"name": name, "train": train, "test": test, "size": size, "channels": channels}
    key = {"source": "torchvision", "root": str(folder), **options, "decoder": DECODER}
    spec = spec_of("torchvision", root=root, download=download or None, **options)
    return stored(spec, key, contents, raw)


def _opened(name: str, root: Path, train: bool, split: str, download: bool) -> Any:
    from torchvision import datasets

    known = {key: getattr(datasets, key) for key in datasets.__all__}
    splittable = {key: made for key, made in known.items() if {"train", "split"} & _accepted(made)}
    if name not in splittable:
        raise unknown("torchvision data set with two splits", str(name), splittable)
    accepted = _accepted(known[name])
    options: dict[str, Any] = {"train": train} if "train" in accepted else {"split": split}
    if "download" in accepted:
        options["download"] = download
    elif download:
        raise ClbenchError(f"torchvision cannot download {name}; put its files under {root}")
    try:
        return known[name](str(root), **options)
    except Exception as error:
        remedy = ", or add download=true" if "download" in accepted else ""
        raise ClbenchError(
            f"torchvision cannot open {name} ({str(error).rstrip('. ')}); put its files under "
            f"{root} as torchvision.datasets.{name}({str(root)!r}) looks for them{remedy}"
        ) from error


def _accepted(dataset_class: Any) -> set[str]:
    return set(inspect.signature(dataset_class).parameters)


def _items(name: str, dataset: Any) -> Iterator[Item]:
    for i in range(len(dataset)):
        sample = dataset[i]
        if not (isinstance(sample, tuple) and len(sample) == 2 and _labelled(*sample)):
            raise ClbenchError(
                f"torchvision {name} gives {_kinds(sample)} for a sample; "
                "need an image and the number of its class"
            )
        yield Item(f"image {i} of torchvision {name}", sample[0], (int(sample[1]),))


def _labelled(image: object, label: object) -> bool:
    return isinstance(image, Image.Image) and isinstance(label, int | np.integer)


def _kinds(sample: object) -> str:
    parts = sample if isinstance(sample, tuple) else (sample,)
    return " and ".join(type(part).__name__ for part in parts)


def _classes(name: str, dataset: Any) -> tuple[str, ...]:
    """The names that the data set knows, else numbers up to its largest label."""
    names = getattr(dataset, "classes", None)
    if names is None:
        count = 1 + max(item.labels[0] for item in _items(name, dataset))
        return tuple(map(str, range(count)))
    return tuple(", ".join(each) if isinstance(each, tuple) else str(each) for each in names)
