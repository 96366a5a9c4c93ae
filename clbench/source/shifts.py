"""Shifts of images uint8 [N, C, H, W], a whole block at a time."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from clbench.errors import ClbenchError

FloatArray = npt.NDArray[np.float32]
# The published constants for images of 32 pixels, at severity 1 to 5.
SEVERITY = {
    "noise": (0.04, 0.06, 0.08, 0.09, 0.10),  # standard deviation, of a range of 1
    "blur": (0.4, 0.6, 0.7, 0.8, 1.0),  # standard deviation in pixels
    "contrast": (0.75, 0.5, 0.4, 0.3, 0.15),  # factor about the mean of a channel
    "brightness": (0.05, 0.1, 0.15, 0.2, 0.3),  # added, of a range of 1
}
CORRUPTIONS = tuple(SEVERITY)


def rotation(degrees: float, size: tuple[int, ...]) -> Callable[[Any], Any]:
    """Counter-clockwise about the centre, bilinear, black outside; for images of H x W pixels."""
    height, width = size
    source, weight = _corners(degrees, height, width)

    def turned(x: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        flat = x.reshape(*x.shape[:2], height * width).astype(np.float32)
        total = np.zeros_like(flat)
        for corner, share in zip(source, weight, strict=True):
            total += flat[..., corner] * share
        return _stored(total).reshape(x.shape)

    return turned


def _corners(degrees: float, height: int, width: int) -> tuple[Any, FloatArray]:
    """[4, H*W] pixels that each pixel comes from, and [4, H*W] their shares (0 outside)."""
    angle = np.deg2rad(degrees)
    row, column = np.mgrid[:height, :width].reshape(2, -1)
    dy, dx = row - (height - 1) / 2, column - (width - 1) / 2
    # rounded, so that quarter turns hit pixels
    y = np.round(np.cos(angle) * dy + np.sin(angle) * dx + (height - 1) / 2, 9)
    x = np.round(-np.sin(angle) * dy + np.cos(angle) * dx + (width - 1) / 2, 9)
    top, left = np.floor(y).astype(np.int64), np.floor(x).astype(np.int64)
    source, weight = [], []
    for down, right in ((0, 0), (0, 1), (1, 0), (1, 1)):
        r, c = top + down, left + right
        inside = (r >= 0) & (r < height) & (c >= 0) & (c < width)
        share = (1 - np.abs(y - r)) * (1 - np.abs(x - c)) * inside
        source.append(np.clip(r, 0, height - 1) * width + np.clip(c, 0, width - 1))
        weight.append(share.astype(np.float32))
    return np.stack(source), np.stack(weight)


def corruption(kind: str, severity: int) -> Callable[[Any, np.random.Generator], Any]:
    """One of `CORRUPTIONS` at a severity from 1 to 5.

    Raises:
        ClbenchError: the severity is another.
    """
    if severity not in range(1, 6):
        raise ClbenchError(f"shifted: severity must be 1 to 5; got {severity}")
    return partial(_corrupted, kind=kind, amount=SEVERITY[kind][severity - 1])


def _corrupted(
    x: npt.NDArray[np.uint8], generator: np.random.Generator, kind: str, amount: float
) -> npt.NDArray[np.uint8]:
    values = x.astype(np.float32)
    if kind == "noise":
        noise = generator.standard_normal(x.shape, dtype=np.float32)
        return _stored(values + 255 * np.float32(amount) * noise)
    if kind == "blur":
        return _stored(gaussian_filter(values, (0, 0, amount, amount)))
    if kind == "contrast":
        mean = values.mean(axis=(2, 3), keepdims=True)
        return _stored((values - mean) * np.float32(amount) + mean)
    return _stored(values + 255 * np.float32(amount))


def _stored(values: FloatArray) -> npt.NDArray[np.uint8]:
    """Rounded, and cut to what a byte holds."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
