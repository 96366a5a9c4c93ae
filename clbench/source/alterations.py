"""Alterations of images uint8 [N, C, H, W] after which each can still be recognised."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Images = npt.NDArray[Any]
Altering = Callable[[Images, np.random.Generator, float], Images]


def unaltered(x: Images, generator: np.random.Generator, amount: float) -> Images:
    """The images themselves."""
    return x


def noisy(x: Images, generator: np.random.Generator, amount: float) -> Images:
    """A share `amount` of the values of each image, rounded down, drawn anew from 0 to 255."""
    values = x.reshape(len(x), -1)
    places = generator.permuted(np.tile(np.arange(values.shape[1]), (len(x), 1)), axis=1)
    mask = places < int(amount * values.shape[1])
    drawn = generator.integers(0, 256, values.shape, dtype=np.uint8)
    return np.where(mask, drawn, values).reshape(x.shape)


def occluded(x: Images, generator: np.random.Generator, amount: float) -> Images:
    """A black disc on each image, of radius `amount` times the height in whole pixels.

    Its centre is a pixel drawn so that the disc lies within the image.
    """
    height, width = x.shape[2:]
    radius = int(amount * height)
    row, column = (
        generator.uniform(radius, max(radius, size - radius), len(x)).astype(np.int64)
        for size in (height, width)
    )
    down = np.arange(height)[None, :, None] - row[:, None, None]
    right = np.arange(width)[None, None, :] - column[:, None, None]
    hidden = down**2 + right**2 <= radius**2
    return np.where(hidden[:, None], np.uint8(0), x)


ALTERATIONS: dict[str, Altering] = {"none": unaltered, "noise": noisy, "occlude": occluded}
