"""Batches of stored samples to inputs: augmentation, vectorised over the batch."""

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Generator, Tensor
from torch.nn.functional import pad

Augmentation = Literal["none", "flip", "crop-flip"]
PAD = 4


def to_input(raw: Tensor) -> Tensor:
    """Stored samples as a model takes them: uint8 images to float32 in [0, 1], vectors as is."""
    return raw.to(torch.float32).div_(255) if raw.dtype == torch.uint8 else raw


def augment(raw: Tensor, how: Augmentation, generator: Generator) -> Tensor:
    """Augment uint8 images [B, C, H, W], each on its own draw; vectors are left as they are."""
    if not augments(how, raw.shape[1:]):
        return raw
    return changed(raw, how, draw(how, len(raw), generator))


def augments(how: Augmentation, shape: Sequence[int]) -> bool:
    """Whether samples of a shape are changed at all."""
    return how != "none" and len(shape) == 3


def draw(how: Augmentation, count: int, generator: Generator) -> Tensor:
    """Where to crop and whether to mirror [3, count]: top, left, 0 or 1."""
    corner = torch.zeros(2, count, dtype=torch.int64)
    if how == "crop-flip":
        corner = torch.randint(0, 2 * PAD + 1, (2, count), generator=generator)
    return torch.cat([corner, (torch.rand(1, count, generator=generator) < 0.5).long()])


def changed(raw: Tensor, how: Augmentation, drawn: Tensor) -> Tensor:
    """Images [B, C, H, W] as drawn for each of them [3, B] (see `draw`)."""
    top, left, flip = drawn.to(raw.device)
    if how == "crop-flip":
        raw = crop(raw, PAD, top, left)
    return torch.where(flip.bool()[:, None, None, None], raw.flip(-1), raw)


def crop(raw: Tensor, border: int, top: Tensor, left: Tensor) -> Tensor:
    """Each image [B, C, H, W] cut to its size from a place [B] of its zero-padded self."""
    count, _, height, width = raw.shape
    # Views of all places [B, C, top, left, H, W]; only the chosen are copied, a row at a time.
    windows = pad(raw, (border,) * 4).unfold(2, height, 1).unfold(3, width, 1)
    return windows[torch.arange(count, device=raw.device), :, top, left]


def cutmix(x: Tensor, y: Tensor, generator: Generator) -> tuple[Tensor, Tensor, float]:
    """Images [B, C, H, W] with a box pasted from another of the batch (1905.04899, alpha 1).

    One box a batch, of uniform area and place, cut at the borders. Returns the images, the labels
    [B] of what was pasted, and the share of the area that stays. Vectors are left as they are.
    """
    partner = torch.randperm(len(y), generator=generator)
    area, row, column = torch.rand(3, generator=generator, dtype=torch.float64).tolist()
    if x.ndim != 4:
        return x, y, 1.0
    height, width = x.shape[2:]
    rows, columns = (
        _span(place, area**0.5, side) for place, side in ((row, height), (column, width))
    )
    mixed = x.clone()
    mixed[:, :, rows, columns] = x[partner.to(x.device)][:, :, rows, columns]
    pasted = (rows.stop - rows.start) * (columns.stop - columns.start)
    return mixed, y[partner.to(y.device)], 1 - pasted / (height * width)


def _span(place: float, share: float, side: int) -> slice:
    """Around a place, in shares of a side, so much of it as lies inside."""
    middle, reach = int(place * side), int(share * side) // 2
    return slice(max(0, middle - reach), min(side, middle + reach))
