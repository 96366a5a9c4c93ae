"""A folder of images, one subfolder a class."""

from collections.abc import Iterator
from pathlib import Path

from clbench.errors import ClbenchError, listing
from clbench.paths import find
from clbench.source.base import Source, spec_of
from clbench.source.contents import Contents
from clbench.source.image import DECODER, Item, check_options, pending, shape_of
from clbench.source.store import stored


def folder(path: str, size: int | None = None, channels: int | None = None) -> Source:
    """Images in `path/train/<class>/*` and `path/test/<class>/*`, decoded once.

    Classes are in the order of their sorted names, images in that of their file names. All
    images must have one size unless `size` is given, which stretches them to a square.
    `channels`: 1 or 3; by default that of the first image. Hidden files are passed over.

    Raises:
        ClbenchError: a folder is missing or empty, or an image cannot be read.
    """
    check_options(size, channels)
    root = find(path, "folder")

    def contents() -> Contents:
        classes = _classes(root / "train")
        if (tests := _classes(root / "test")) != classes:
            raise ClbenchError(
                f"{root}: train and test must have the same class folders; "
                f"only one of them has {listing(sorted(set(classes) ^ set(tests)))}"
            )
        train, test = (list(_items(root / split, classes)) for split in ("train", "test"))
        shape = shape_of(train[0], size, channels)
        return Contents(
            classes,
            pending(train, len(train), shape, (), "decoding train"),
            pending(test, len(test), shape, (), "decoding test"),
        )

    def raw() -> Iterator[Path]:
        for split in ("train", "test"):
            for name in _classes(root / split):
                yield from _files(root / split / name)

    key = {"source": "folder", "path": str(root), "size": size, "channels": channels}
    spec = spec_of("folder", path=path, size=size, channels=channels)
    return stored(spec, {**key, "decoder": DECODER}, contents, raw)


def _classes(split: Path) -> tuple[str, ...]:
    if not split.is_dir():
        raise ClbenchError(f"there is no folder {split}; images lie in {split}/<class>/")
    names = sorted(entry.name for entry in _visible(split) if entry.is_dir())
    if not names:
        raise ClbenchError(f"{split} has no class folders; images lie in {split}/<class>/")
    return tuple(names)


def _items(split: Path, classes: tuple[str, ...]) -> Iterator[Item]:
    for label, name in enumerate(classes):
        files = _files(split / name)
        if not files:
            raise ClbenchError(f"{split / name} holds no images; add some or remove it")
        for file in files:
            yield Item(str(file), file, (label,))


def _files(class_folder: Path) -> list[Path]:
    return sorted(entry for entry in _visible(class_folder) if entry.is_file())


def _visible(parent: Path) -> Iterator[Path]:
    return (entry for entry in parent.iterdir() if not entry.name.startswith("."))
