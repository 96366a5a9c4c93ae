"""Encoded images to uint8 arrays, all of one size."""

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from PIL import Image

from clbench.errors import ClbenchError
from clbench.source.base import Split
from clbench.source.contents import Pending
from clbench.source.progress import track

DECODER = 1  # part of every store's key: raise it when the same file gives other pixels
BLOCK = 512  # images
THREADED_PIXELS = 1 << 15  # below, threads that hand over tiny images cost more than they save

ImageArray = npt.NDArray[np.uint8]


class Item(NamedTuple):
    """An image still encoded, its labels, and where it is from for error messages."""

    where: str
    image: bytes | Path | Image.Image
    labels: tuple[int, ...]


class Shape(NamedTuple):
    """What every image of a source must be, or is brought to: C, H, W; and how to do it."""

    channels: int
    height: int
    width: int
    resize: bool
    threads: int


def check_options(size: int | None, channels: int | None) -> None:
    """Raise an error unless `size` is a positive number and `channels` 1 or 3 (None: not given)."""
    if size is not None and (type(size) is not int or size < 1):
        raise ClbenchError(f"size must be a number of pixels, 1 or more; got {size}")
    if channels not in (None, 1, 3):
        raise ClbenchError(f"channels must be 1 or 3; got {channels}")


def shape_of(first: Item, size: int | None, channels: int | None) -> Shape:
    """The shape that the first image of a source, or its options, set for all."""
    image = _opened(first)
    depth = channels or (1 if image.mode in ("1", "L") else 3)
    height, width = (image.height, image.width) if size is None else (size, size)
    threads = (os.cpu_count() or 1) if image.height * image.width >= THREADED_PIXELS else 1
    return Shape(depth, height, width, size is not None, threads)


def pending(
    items: Iterable[Item], count: int, shape: Shape, names: Sequence[str], label: str
) -> Pending:
    """A split of decoded images; `names` are those of the labels after the first."""
    return Pending(count, _blocks(track(items, count, label), shape, names))


def _blocks(items: Iterator[Item], shape: Shape, names: Sequence[str]) -> Iterator[Split]:
    one = partial(decoded, shape=shape)
    with ThreadPoolExecutor(shape.threads) as pool:
        many = pool.map if shape.threads > 1 else map
        while block := list(islice(items, BLOCK)):
            images = np.stack(list(many(one, block)))
            labels = np.array([item.labels for item in block], dtype=np.int64)
            others = {name: labels[:, i] for i, name in enumerate(names, start=1)}
            yield Split(images, labels[:, 0], others)


def decoded(item: Item, shape: Shape) -> ImageArray:
    """The pixels of an image, uint8 [C, H, W].

    Grey images become three equal channels where the source is in colour, transparency is
    dropped, and `size=` stretches with antialiased bilinear interpolation.

    Raises:
        ClbenchError: it cannot be read, or its size or channels are not those of the source.
    """
    image = _opened(item)
    if shape.channels == 1 and image.mode not in ("1", "L"):
        raise ClbenchError(
            f"{item.where} is in colour and the first image is not; "
            "channels=3 reads all images in colour"
        )
    try:
        image = image.convert("L" if shape.channels == 1 else "RGB")
        if shape.resize and image.size != (shape.width, shape.height):
            image = image.resize((shape.width, shape.height), Image.Resampling.BILINEAR)
    except Exception as error:
        raise _unreadable(item, error) from error
    pixels = np.asarray(image)
    if pixels.shape[:2] != (shape.height, shape.width):
        raise ClbenchError(
            f"{item.where} is {image.width}x{image.height} pixels and the first image "
            f"{shape.width}x{shape.height}; size= brings all to one size"
        )
    return pixels.reshape(shape.height, shape.width, -1).transpose(2, 0, 1)


def _opened(item: Item) -> Image.Image:
    raw = item.image
    if isinstance(raw, Image.Image):
        image = raw
    else:
        try:
            image = Image.open(io.BytesIO(raw.read_bytes() if isinstance(raw, Path) else raw))
        except Exception as error:
            raise _unreadable(item, error) from error
    if image.mode[0] in "IF":
        raise ClbenchError(f"{item.where} has mode {image.mode}; need 8 bits a channel")
    return image


def _unreadable(item: Item, error: Exception) -> ClbenchError:
    return ClbenchError(f"{item.where} cannot be read as an image: {error}; restore or remove it")
