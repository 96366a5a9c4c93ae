"""Corrupted images, uint8 [N, C, H, W], as CIFAR-10-C has them."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.ndimage import gaussian_filter

from clbench.errors import ClbenchError

Values = npt.NDArray[np.float64]  # pixels in a range of 1
AT_A_TIME = 1024  # images that are turned to floating point together


def noise(x: Values, deviation: float, generator: np.random.Generator) -> Values:
    """Gaussian noise of a standard deviation, added to every value."""
    return x + deviation * generator.standard_normal(x.shape)


def blur(x: Values, deviation: float, generator: np.random.Generator) -> Values:
    """A Gaussian of a standard deviation in pixels, cut off after 4; borders go on as they end."""
    return np.asarray(gaussian_filter(x, (0, 0, deviation, deviation), mode="nearest"))


def contrast(x: Values, factor: float, generator: np.random.Generator) -> Values:
    """The distance to the mean of each channel of an image, times a factor."""
    mean: Values = x.mean(axis=(2, 3), keepdims=True)
    return np.asarray((x - mean) * factor + mean)


def brightness(x: Values, added: float, generator: np.random.Generator) -> Values:
    """Added to the value of HSV, the largest channel; hue and saturation stay."""
    value: Values = x.max(axis=1, keepdims=True)
    lightness = 1 - (value - x) / np.where(value > 0, value, 1)  # black is grey of value 0
    lighter: Values = np.clip(value + added, 0, 1) * lightness
    return lighter


def shot(x: Values, photons: float, generator: np.random.Generator) -> Values:
    """Poisson counts of so many photons at white, divided by it."""
    return generator.poisson(x * photons) / photons


def impulse(x: Values, share: float, generator: np.random.Generator) -> Values:
    """A share of the values becomes 0 or 1, either with the same probability."""
    drawn = generator.random(x.shape)
    return np.where(drawn < share, np.where(drawn < share / 2, 0.0, 1.0), x)


def speckle(x: Values, deviation: float, generator: np.random.Generator) -> Values:
    """Gaussian noise of a standard deviation that grows with the value itself."""
    return x + x * deviation * generator.standard_normal(x.shape)


# The constants that CIFAR-10-C was made with, at severity 1 to 5. Copies are numbered in this
# order, so that what comes later stands at the end.
SEVERITY: dict[Callable[[Values, float, np.random.Generator], Values], tuple[float, ...]] = {
    noise: (0.04, 0.06, 0.08, 0.09, 0.10),
    blur: (0.4, 0.6, 0.7, 0.8, 1.0),
    contrast: (0.75, 0.5, 0.4, 0.3, 0.15),
    brightness: (0.05, 0.1, 0.15, 0.2, 0.3),
    shot: (500, 250, 100, 75, 50),
    impulse: (0.01, 0.02, 0.03, 0.05, 0.07),
    speckle: (0.06, 0.1, 0.12, 0.16, 0.2),
}
KINDS = {kind.__name__: kind for kind in SEVERITY}
CORRUPTIONS = tuple(KINDS)


def corruption(kind: str, severity: int) -> Callable[[Any, np.random.Generator], Any]:
    """One of `CORRUPTIONS` at a severity from 1 to 5, as it was published for 32 x 32 pixels.

    Hendrycks and Dietterich 2019 (arXiv:1903.12261): arithmetic in double precision on a range of
    1, cut off at 0 and 1, and to bytes by leaving out the fraction, all as in the authors' code
    for CIFAR-10-C. Their random numbers have no seed, so noise is theirs in distribution alone.
    Seven of their nineteen kinds are here. Of the rest, motion blur, snow, frost, spatter and
    JPEG compression take other programs' arithmetic or pictures; glass, defocus and zoom blur,
    fog, saturation, elastic transforms and pixelation are left out.

    Raises:
        ClbenchError: the severity is another.
    """
    if severity not in range(1, 6):
        raise ClbenchError(f"shifted: severity must be 1 to 5; got {severity}")
    made = KINDS[kind]
    return partial(_corrupted, made=made, amount=SEVERITY[made][severity - 1])


def _corrupted(
    x: npt.NDArray[np.uint8],
    generator: np.random.Generator,
    made: Callable[[Values, float, np.random.Generator], Values],
    amount: float,
) -> npt.NDArray[np.uint8]:
    found = np.empty_like(x)
    for start in range(0, len(x), AT_A_TIME):
        some = slice(start, start + AT_A_TIME)
        values = made(x[some] / 255.0, amount, generator)
        found[some] = np.clip(values, 0, 1) * 255  # to bytes: the fraction is left out
    return found
