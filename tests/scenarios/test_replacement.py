"""Streams of replacement: what a newer version is trained on, and what both are asked."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from clbench.document import read_stream, write_stream
from clbench.errors import ClbenchError
from clbench.requests import check_requests
from clbench.stream import Protocol, Stream
from small import source, stream

SOURCE = source(6, per_class=10)


def replacement(**options: Any) -> Stream:
    return stream("replacement", SOURCE, **{"shares": [0.3, 0.5, 1.0]} | options)


def labels(plan: Stream, version: int) -> np.ndarray:
    return plan.label_map(6)[SOURCE.train.y[plan.updates[version - 1].samples]]


def test_the_first_update_learns_and_the_others_replace() -> None:
    assert [u.kind for u in replacement().updates] == ["learn", "replace", "replace"]


def test_a_version_has_its_share_of_every_class() -> None:
    for version, size in enumerate((3, 5, 10), start=1):
        assert np.bincount(labels(replacement(), version)).tolist() == [size] * 6


def test_an_older_versions_samples_are_among_a_newer_ones() -> None:
    first, second, third = (set(u.samples.tolist()) for u in replacement().updates)
    assert first < second < third


def test_a_share_that_comes_again_is_the_same_samples() -> None:
    first, second = replacement(shares=[0.4, 0.4]).updates
    np.testing.assert_array_equal(first.samples, second.samples)


def test_the_smallest_share_is_a_sample_a_class() -> None:
    assert np.bincount(labels(replacement(shares=[0.001, 1.0]), 1)).tolist() == [1] * 6


def test_classes_may_come_with_newer_versions() -> None:
    plan = replacement(shares=[1.0, 1.0, 1.0], classes=[2, 2, 5], order=[5, 4, 3, 2, 1, 0])
    assert plan.class_order.tolist() == [5, 4, 3, 2, 1]
    assert [u.classes.tolist() for u in plan.updates] == [[0, 1], [], [2, 3, 4]]
    assert [plan.n_classes(v) for v in range(4)] == [0, 2, 2, 5]
    assert [set(labels(plan, v)) for v in (1, 2, 3)] == [{0, 1}, {0, 1}, {0, 1, 2, 3, 4}]


def test_a_class_is_asked_once_from_the_version_that_brings_it() -> None:
    plan = replacement(shares=[1.0, 1.0, 1.0], classes=[2, 2, 5])
    assert [(e.name, e.since, e.classes.tolist()) for e in plan.evals] == [
        ("group 1", 1, [0, 1]),
        ("group 3", 3, [2, 3, 4]),
    ]
    asked = np.concatenate([e.samples for e in plan.evals])
    np.testing.assert_array_equal(np.sort(asked), np.flatnonzero(SOURCE.test.y < 5))


def test_what_a_newer_version_was_trained_on_is_there_to_be_forgotten() -> None:
    plan = replacement()
    np.testing.assert_array_equal(plan.retained(3), np.arange(60))
    check_requests(plan)


def test_seeds_draw_the_samples_and_the_classes() -> None:
    assert replacement(share_seed=1).fingerprint != replacement().fingerprint
    random = [replacement(order="random", order_seed=s).fingerprint for s in (3, 3, 6)]
    assert random[0] == random[1] != random[2]


def test_replacing_is_not_learning_on() -> None:
    """A stream of the same ids whose updates learn is another stream."""
    plan = replacement()
    learns = tuple(replace(u, kind="learn") for u in plan.updates)
    assert replace(plan, updates=learns).fingerprint != plan.fingerprint


def test_it_goes_through_a_file(tmp_path: Any) -> None:
    write_stream(replacement(), tmp_path / "s.safetensors")
    assert read_stream(tmp_path / "s.safetensors").fingerprint == replacement().fingerprint


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"shares": [1.0]}, "shares must be a list of two or more.*got"),
        ({"shares": 0.5}, "shares must be a list of two or more.*got 0.5"),
        ({"shares": [0.5, 1.5]}, "shares must be from 0 to 1; got 1.5"),
        ({"shares": [0, 1.0]}, "must be above 0 and not fall"),
        ({"shares": [1.0, 0.5]}, "must be above 0 and not fall"),
        ({"classes": [2, 4]}, r"classes must be a list as long as shares \(3\)"),
        ({"classes": [2, 4, 3]}, "classes must not fall"),
        ({"classes": [2, 4, 7]}, "be 6 at most"),
        ({"classes": [0, 4, 6]}, "classes must be a whole number, 1 or more; got 0"),
        ({"protocol": Protocol(task_ids=True)}, "task_ids=false"),
        ({"protocol": Protocol(online=True)}, "online=false"),
        ({"protocol": Protocol(setting="domain-incremental")}, 'setting="class-incremental"'),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        replacement(**options)
