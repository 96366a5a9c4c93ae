"""Streams that cannot be made for want of classes or samples: one sentence from the generator."""

from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.plugin import entries
from clbench.source.base import Source, Split
from clbench.stream import Protocol
from small import DOMAIN, source, stream

ONLINE = Protocol(online=True)
SCARCE = [  # generator, options, classes, training samples of each, complaint
    ("class_incremental", {"increment": 4}, 3, 5, "3 classes do not divide into a first update of"),
    (
        "class_incremental",
        {"increment": 1, "base": 4},
        3,
        5,
        "3 classes do not divide into a first",
    ),
    (
        "class_incremental",
        {"increment": 1, "order": [0, 3]},
        3,
        5,
        "not a list of distinct classes",
    ),
    ("class_incremental", {"increment": 1}, 3, 0, "update 1 of 3 has no samples to learn"),
    ("few_shot", {"base": 2, "way": 2, "shot": 2}, 3, 5, "3 classes do not divide"),
    ("few_shot", {"base": 2, "way": 1, "shot": 6}, 3, 5, "5 training samples; 6 are asked for"),
    ("few_shot", {"base": 2, "way": 1, "shot": 0}, 3, 5, "shot must be a whole number, 1 or more"),
    ("long_tailed", {"increment": 2}, 3, 5, "3 classes do not divide"),
    ("long_tailed", {"increment": 1}, 3, 5, "the smallest class would get 0.05 samples"),
    ("long_tailed", {"increment": 1, "largest": 6, "ratio": 1}, 3, 5, "5 training samples; 6 are"),
    ("long_tailed", {"increment": 1, "ratio": 1}, 3, 0, "update 1 of 3 has no samples to learn"),
    ("blurry", {"updates": 4}, 3, 5, "3 classes do not fill 4 updates"),
    ("blurry", {"updates": 2, "every": 0}, 3, 5, "every must be a whole number, 1 or more; got 0"),
    ("blurry", {"updates": 3}, 3, 0, "update 1 of 3 has no samples"),
    ("online", {"increment": 2, "every": 5, "protocol": ONLINE}, 3, 5, "3 classes do not divide"),
    (
        "online",
        {"increment": 1, "every": 5, "protocol": ONLINE},
        3,
        0,
        "update 1 of 3 has no samples to learn",
    ),
    ("repetition", {"updates": 2, "size": 30, "repeat": 1}, 3, 5, "has 5 training samples, and an"),
    ("repetition", {"updates": 1, "size": 2, "repeat": 0}, 3, 5, "2 samples do not go round 3"),
    ("domain_incremental", {"by": "part", "protocol": DOMAIN}, 3, 0, "need 1 or more of each"),
    (
        "domain_incremental",
        {"by": "place", "protocol": DOMAIN},
        3,
        5,
        "unknown labelling .*'place'",
    ),
    ("heterogeneous", {"by": "origin"}, 3, 5, "has no labelling origin; join sources by joined"),
    ("heterogeneous", {"by": "whole"}, 3, 0, "update 1 of 1 has no samples"),
    ("unlearning", {"forget": {"name": "random", "size": 9}}, 3, 0, "update 1 of 1 has no samples"),
    ("unlearning", {"forget": {"name": "random", "size": 16}}, 3, 5, "of 15 samples; lower size"),
    ("replacement", {"shares": [0.5, 1.0], "classes": [2, 4]}, 3, 5, "be 3 at most; got .2, 4"),
    ("replacement", {"shares": [0.5, 1.0]}, 3, 0, "class 0 has no samples to learn"),
    ("continual_few_shot", {"support_sets": 2, "way": 2, "shot": 1}, 3, 5, "need 4 classes; got 3"),
    (
        "continual_few_shot",
        {"support_sets": 1, "way": 3, "shot": 6},
        3,
        5,
        "1 support sets of 6 ne",
    ),
]


def scarce(classes: int, per_class: int) -> Source:
    """A source with so many classes and training samples of each, all of one part."""
    made = source(classes=classes, per_class=max(1, per_class))
    kept = np.arange(len(made.train)) if per_class else np.zeros(0, dtype=np.int64)
    train = Split(made.train.x[kept], made.train.y[kept], labellings(made.train, kept))
    test = Split(made.test.x, made.test.y, labellings(made.test, np.arange(len(made.test))))
    return Source(made.spec, train, test, made.classes)


def labellings(split: Split, kept: np.ndarray) -> dict[str, np.ndarray]:
    return {"part": split.other["part"][kept], "whole": np.zeros(len(kept), dtype=np.int64)}


@pytest.mark.parametrize(
    ("generator", "options", "classes", "per_class", "complaint"),
    [each for each in SCARCE if each[0] in entries("streams")],
)
def test_it_says_what_is_lacking(
    generator: str, options: dict[str, Any], classes: int, per_class: int, complaint: str
) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        stream(generator, scarce(classes, per_class), **options)


def test_every_generator_is_asked() -> None:
    ours = {name for name, each in entries("streams").items() if each.distribution == "clbench"}
    assert ours <= {generator for generator, *_ in SCARCE}
