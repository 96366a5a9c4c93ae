"""Margins of models at points, and walking over them in blocks of bounded memory.

The margin of a point (x, y) is f_y(x) - log sum_{k != y} exp f_k(x), the logit of the softmax's
confidence in the label. A table of margins is [N models, n points], in any float type; it is
handled in float64. Recorded answers hold margins as they were found from all logits, so that
confidences near 1 do not round off.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logsumexp

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured

FloatArray = npt.NDArray[np.float64]
AnyFloats = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]

CLIP = 100.0  # margins beyond are as good as certain
BLOCK = 1 << 18  # numbers held at once: what stays in the cache


def margins(logits: AnyFloats, labels: IntArray) -> FloatArray:
    """Margins of the labels: f_y - log sum_{k != y} exp f_k.

    `logits` [..., C] with at least 2 classes, `labels` [...], which broadcast over leading axes.
    Direction: neither; range: all numbers; paper: arXiv:2410.23232.

    Raises:
        ClbenchError: there is but one class, or a label is none of the classes.
    """
    width = logits.shape[-1]
    if width < 2:
        raise ClbenchError("a margin sets the label against other classes; there is one class")
    if len(labels) and not (labels.min() >= 0 and labels.max() < width):
        raise ClbenchError(f"labels must be 0 .. {width - 1}; got {labels.min()} .. {labels.max()}")
    wide = np.asarray(logits, dtype=np.float64)
    own = np.arange(width) == labels[..., None]
    others = logsumexp(np.where(own, -np.inf, wide), axis=-1)
    return np.asarray(np.where(own, wide, 0).sum(axis=-1) - others)


def confidence(values: AnyFloats) -> FloatArray:
    """Softmax probability of the label from the margin: 1 / (1 + exp(-margin)), any shape.

    Direction: neither; range: [0, 1]; paper: arXiv:2112.03570.
    """
    return np.asarray(expit(np.asarray(values, dtype=np.float64)))


def blocks(first: AnyFloats, second: AnyFloats) -> Iterator[tuple[slice, FloatArray, FloatArray]]:
    """Two tables of margins [N, n] and [M, n], some points at a time, clipped to +-100.

    Raises:
        NotMeasured: there are no models or no points, or a margin is not a number.
        ClbenchError: the tables are not about the same points.
    """
    check(first, second)
    step = max(1, BLOCK // (len(first) + len(second)))
    for start in range(0, first.shape[1], step):
        part = slice(start, start + step)
        yield part, _clipped(first[:, part]), _clipped(second[:, part])


def whole(table: AnyFloats) -> FloatArray:
    """A table of margins [N, n], clipped to +-100 (see `blocks`)."""
    check(table, table)
    return _clipped(table)


def check(first: AnyFloats, second: AnyFloats) -> None:
    """That two tables have models, and margins of the same points."""
    if first.ndim != 2 or second.ndim != 2 or first.shape[1] != second.shape[1]:
        raise ClbenchError(
            "margins are tables [models, points] about the same points; "
            f"got shapes {first.shape} and {second.shape}"
        )
    if not (len(first) and len(second)):
        raise NotMeasured(f"{len(first)} models against {len(second)}")
    if not first.shape[1]:
        raise NotMeasured("there are no points")


def at_least(models: int, *tables: AnyFloats) -> None:
    """NotMeasured where a table has fewer models than a distribution needs."""
    if (fewest := min(map(len, tables))) < models:
        raise NotMeasured(f"needs at least {models} models a side; got {fewest}")


def _clipped(table: AnyFloats) -> FloatArray:
    held = np.clip(np.asarray(table, dtype=np.float64), -CLIP, CLIP)
    if np.isnan(held.min()):  # one pass; a minimum takes NaN along
        raise NotMeasured("a margin is not a number: a model has diverged")
    return held
