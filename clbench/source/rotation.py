"""Rotated images, uint8 [N, C, H, W], a whole block at a time."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]


def rotation(degrees: float, size: tuple[int, ...]) -> Callable[[Any], Any]:
    """Counter-clockwise about the centre, bilinear, black outside; for images of H x W pixels."""
    height, width = size
    source, weight = _corners(degrees, height, width)

    def turned(x: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        flat = x.reshape(*x.shape[:2], height * width).astype(np.float32)
        total = np.zeros_like(flat)
        for corner, share in zip(source, weight, strict=True):
            total += flat[..., corner] * share
        return np.clip(np.rint(total), 0, 255).astype(np.uint8).reshape(x.shape)

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
