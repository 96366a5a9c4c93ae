"""Decision rules that tell unlearned models from retrained ones by the margin at one point.

A rule says "positive" for margins from `low` to `high`. Two families, as in the NeurIPS 2023
challenge: at or above a threshold, for the side with the larger median; between two thresholds,
for the side with the smaller range. Errors are counted in sorted margins, not model by model.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from clbench.metric.margins import FloatArray, IntArray

BUFFER = 2.0  # logits around the ends of the narrower side in which thresholds are tried
TRIED = 400  # thresholds over twice the buffer: 100 a logit


class Rule(NamedTuple):
    """Takes margins from `low` to `high` for those of unlearned models, or of retrained ones."""

    low: float
    high: float
    unlearned: bool

    def errors(self, unlearned: FloatArray, retrained: FloatArray) -> tuple[int, int]:
        """How many models of either side it mistakes."""
        sides = ((unlearned, self.unlearned), (retrained, not self.unlearned))
        first, second = (self._mistaken(side, inside) for side, inside in sides)
        return first, second

    def _mistaken(self, side: FloatArray, inside: bool) -> int:
        return int((((self.low <= side) & (side <= self.high)) != inside).sum())


class Rules(NamedTuple):
    """A family: where rules say "positive", and how many of either side each of them mistakes."""

    low: FloatArray
    high: FloatArray
    unlearned: bool
    mistaken: tuple[IntArray, IntArray]

    def values(self, table: FloatArray) -> FloatArray:
        """What the table [N + 1, M + 1] says of the rules' errors."""
        return np.asarray(table.take(self.mistaken[0] * table.shape[1] + self.mistaken[1]))

    def rule(self, index: int) -> Rule:
        """The rule at an index into the flattened family."""
        low, high = (each.flat[index] for each in np.broadcast_arrays(self.low, self.high))
        return Rule(float(low), float(high), self.unlearned)


def families(unlearned: FloatArray, retrained: FloatArray) -> Iterator[Rules]:
    """Both families of rules for the margins of one point [N], [M]."""
    sides = np.sort(unlearned), np.sort(retrained)
    upper = bool(np.median(retrained) <= np.median(unlearned))
    yield _single(sides, upper)
    ranges = [float(side[-1] - side[0]) for side in sides]
    # of equal ranges the side with the smaller median, as published
    narrow = ranges[0] < ranges[1] or (ranges[0] == ranges[1] and not upper)
    yield _double(sides, narrow)


def best_rule(unlearned: FloatArray, retrained: FloatArray, table: FloatArray) -> Rule:
    """The first rule whose errors the table [N + 1, M + 1] values most."""
    found = []
    for rules in families(unlearned, retrained):
        values = rules.values(table)
        best = int(values.argmax())
        found.append((float(values.flat[best]), rules.rule(best)))
    return max(found, key=lambda each: each[0])[1]


def _single(sides: tuple[FloatArray, FloatArray], unlearned: bool) -> Rules:
    """A threshold at every margin that occurs: there are no others that count differently."""
    values = np.union1d(*sides)
    below = tuple(np.searchsorted(side, values, side="left") for side in sides)
    above = tuple(len(side) - count for side, count in zip(sides, below, strict=True))
    mistaken = (below[0], above[1]) if unlearned else (above[0], below[1])
    return Rules(values, np.full(len(values), np.inf), unlearned, mistaken)


def _double(sides: tuple[FloatArray, FloatArray], unlearned: bool) -> Rules:
    """Right ends around the narrower side's largest margin, left ones its range away, +-buffer.

    Both ends step alike, so the left end of right end i and step k depends on i + k alone: of the
    400 x 400 rules only 400 right and 799 left ends have to be counted.
    """
    narrow = sides[not unlearned]
    steps = np.linspace(0, 2 * BUFFER, TRIED)
    right = narrow[-1] - BUFFER + steps
    left = narrow[0] - 2 * BUFFER + np.arange(2 * TRIED - 1) * steps[1]
    inside = tuple(_between(side, left, right) for side in sides)
    outside = tuple(len(side) - count for side, count in zip(sides, inside, strict=True))
    mistaken = (outside[0], inside[1]) if unlearned else (inside[0], outside[1])
    return Rules(sliding_window_view(left, TRIED), right[:, None], unlearned, mistaken)


def _between(side: FloatArray, left: FloatArray, right: FloatArray) -> IntArray:
    """Sorted margins from each left to each right end, [400, 400]; none where the ends cross."""
    below = np.searchsorted(side, left, side="left")
    up_to = np.searchsorted(side, right, side="right")
    counts = up_to[:, None] - sliding_window_view(below, TRIED)
    return np.maximum(counts, 0)
