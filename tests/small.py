"""Streams of a small source of vectors, from any generator."""

from collections.abc import Callable
from typing import Any

import numpy as np

from clbench.plugin import load
from clbench.source.base import Source, Split
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream

DOMAIN = Protocol(setting="domain-incremental")


def source(classes: int = 6, per_class: int = 10, seed: int = 0) -> Source:
    """Classes of `per_class` training and 4 test samples; `part` counts within a class."""
    made = synthetic(classes=classes, per_class=per_class, test_per_class=4, dim=2, seed=seed)
    train, test = (with_parts(split) for split in (made.train, made.test))
    return Source(made.spec, train, test, made.classes)


def with_parts(split: Split) -> Split:
    """The split with its samples counted 0, 1, 2, 3, 0, ... as the labelling `part`."""
    return Split(split.x, split.y, {"part": np.arange(len(split)) % 4 + 4 * split.y})


def stream(
    generator: str, given: Source | None = None, protocol: Protocol | None = None, **options: Any
) -> Stream:
    """What a registered generator makes of the small source."""
    made: Callable[..., Stream] = load("streams", generator)
    return made(given or source(), "s", protocol or Protocol(), **options)


def learned(plan: Stream) -> np.ndarray:
    """All training ids of a stream, update after update."""
    return np.concatenate([update.samples for update in plan.updates])
