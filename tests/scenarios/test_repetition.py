"""Streams with repetition: when classes begin, and how often they come back."""

from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.stream import Protocol, Stream
from small import source, stream

SOURCE = source(50, per_class=40)


def repetition(**options: Any) -> Stream:
    return stream(
        "repetition",
        options.pop("given", SOURCE),
        **{"updates": 20, "size": 40, "repeat": 0.3} | options,
    )


def presence(plan: Stream, classes: int = 50) -> np.ndarray:
    """[updates, classes] how many samples of each class an update has."""
    y = SOURCE.train.y
    return np.stack([np.bincount(y[u.samples], minlength=classes) for u in plan.updates])


def test_updates_are_of_one_size_shared_evenly() -> None:
    counts = presence(repetition())
    assert (counts.sum(axis=1) == 40).all()
    for row in counts:
        assert np.ptp(row[row > 0]) <= 1


def test_without_repetition_every_class_comes_once() -> None:
    assert ((presence(repetition(repeat=0, updates=3)) > 0).sum(axis=0) == 1).all()


def test_with_certain_repetition_a_class_that_has_begun_stays() -> None:
    there = presence(repetition(repeat=1, size=50)) > 0
    assert (np.diff(there.astype(int), axis=0) >= 0).all()
    assert there[-1].all()


def test_classes_come_back_as_often_as_the_probability_says() -> None:
    rates = []
    for seed in range(20):
        there = presence(repetition(repeat_seed=seed)) > 0
        begun = np.maximum.accumulate(there, axis=0)[:-1]
        rates.append((there[1:] & begun).sum() / begun.sum())
    assert abs(np.mean(rates) - 0.3) < 0.02


@pytest.mark.parametrize(("first", "expected"), [("uniform", 9.5), ("geometric", 1.0)])
def test_classes_begin_uniformly_or_geometrically(first: str, expected: float) -> None:
    begins = [
        np.argmax(
            presence(repetition(first=first, first_probability=0.5, repeat_seed=s)) > 0, axis=0
        )
        for s in range(20)
    ]
    assert abs(np.mean(begins) - expected) < 0.5


def test_classes_begin_in_the_order_given() -> None:
    order = list(range(49, -1, -1))
    assert repetition(order=order).class_order.tolist() == order


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"repeat": 1.1}, "repeat must be from 0 to 1; got 1.1"),
        ({"first": "soon"}, "first must be uniform or geometric; got 'soon'"),
        ({"first": "geometric", "first_probability": 2}, "first_probability must be from 0 to 1"),
        ({"updates": 0}, "updates must be a whole number, 1 or more"),
        ({"size": 3, "updates": 1}, "3 samples do not go round 50 classes"),
        ({"size": 41, "given": source(1), "updates": 1}, "has 10 training samples.*asks for 41"),
        ({"protocol": Protocol(task_ids=True)}, "classes of earlier updates again"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        repetition(**options)
