"""Streams: the plan, its fingerprint, and the class-incremental generator."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from clbench.errors import ClbenchError
from clbench.source.base import Source
from clbench.source.synthetic import synthetic
from clbench.spec import Spec
from clbench.stream import EvalSet, Protocol, Stream, Update
from clbench_scenarios.class_incremental import class_incremental


def source(classes: int = 6, seed: int = 0) -> Source:
    return synthetic(classes=classes, per_class=3, test_per_class=2, dim=2, seed=seed)


def stream(classes: int = 6, protocol: Protocol | None = None, **options: Any) -> Stream:
    options = {"increment": 2} | options
    return class_incremental(source(classes), "s", protocol or Protocol(), **options)


@st.composite
def divisions(draw: st.DrawFn) -> dict[str, Any]:
    """Options that divide some classes evenly."""
    increment, further = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    base = draw(st.integers(1, 5))
    return {
        "classes": base + further * increment,
        "increment": increment,
        "base": base,
        "order": draw(st.sampled_from(["source", "random"])),
        "order_seed": draw(st.integers(0, 99)),
    }


class TestClassIncremental:
    @given(divisions())
    @settings(max_examples=60, deadline=None)
    def test_every_class_arrives_once_with_all_its_samples(self, options: dict[str, Any]) -> None:
        plan, samples = stream(**options), source(options["classes"])
        sizes = [len(update.classes) for update in plan.updates]
        assert sizes == [options["base"]] + [options["increment"]] * (len(sizes) - 1)
        labels = np.concatenate([update.classes for update in plan.updates])
        np.testing.assert_array_equal(labels, np.arange(options["classes"]))
        assert sorted(plan.class_order) == list(range(options["classes"]))
        ids = np.concatenate([update.samples for update in plan.updates])
        np.testing.assert_array_equal(np.sort(ids), np.arange(len(samples.train)))
        for update in plan.updates:
            there = plan.class_order[update.classes]
            np.testing.assert_array_equal(
                np.unique(samples.train.y[update.samples]), np.sort(there)
            )

    @given(divisions())
    @settings(max_examples=60, deadline=None)
    def test_a_set_is_asked_once_its_classes_are_there(self, options: dict[str, Any]) -> None:
        plan, samples = stream(**options), source(options["classes"])
        assert len(plan.evals) == len(plan.updates)
        for update, asked in zip(plan.updates, plan.evals, strict=True):
            assert asked.since == update.index + 1
            np.testing.assert_array_equal(asked.classes, update.classes)
            there = plan.class_order[asked.classes]
            found = np.flatnonzero(np.isin(samples.test.y, there))
            np.testing.assert_array_equal(asked.samples, found)

    def test_a_list_orders_classes_and_may_leave_some_out(self) -> None:
        plan = stream(order=[5, 0, 3, 1])
        assert plan.class_order.tolist() == [5, 0, 3, 1]
        assert plan.label_map(6).tolist() == [1, 3, -1, 2, -1, 0]
        assert plan.n_classes(2) == 4

    def test_the_order_of_a_seed_is_that_of_the_field(self) -> None:
        plan = stream(100, increment=10, order="random", order_seed=1993)
        assert plan.class_order[:10].tolist() == [68, 56, 78, 8, 23, 84, 90, 65, 74, 76]

    def test_task_ids_are_given_where_the_protocol_says_so(self) -> None:
        tasks = Protocol(setting="task-incremental", task_ids=True)
        assert [u.task for u in stream(protocol=tasks).updates] == [0, 1, 2]
        assert [u.task for u in stream().updates] == [None] * 3

    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"increment": 4}, "6 classes do not divide into a first update of 4"),
            ({"increment": 0}, "first update of 0"),
            ({"increment": -1}, "first update of -1"),
            ({"base": 7}, "first update of 7"),
            ({"base": 3}, "first update of 3 and further ones of 2"),
            ({"order": "alphabetical"}, "'alphabetical' is neither source, random"),
            ({"order": [0, 0, 1, 2]}, "not a list of distinct classes below 6"),
            ({"order": [0, 6]}, "not a list of distinct classes below 6"),
            ({"order": [0, -1]}, "not a list of distinct classes below 6"),
        ],
    )
    def test_impossible_splits(self, options: dict[str, Any], complaint: str) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            stream(**options)


class TestFingerprint:
    def test_of_a_hundred_classes(self) -> None:
        """Holds the generator and the hash: a name must always mean the same stream."""
        protocol = Protocol(epochs=50)
        options = {"increment": 10, "order": "random", "order_seed": 1993}
        assert stream(100, protocol, **options).fingerprint == HUNDRED
        assert stream(100, protocol, base=50, **options).fingerprint == HUNDRED_B50

    @pytest.mark.parametrize(
        "change",
        [
            lambda s: replace(s, protocol=Protocol(epochs=1)),
            lambda s: replace(s, labels="0" * 64),
            lambda s: replace(s, class_order=s.class_order[::-1].copy()),
            lambda s: replace(s, updates=s.updates[:-1]),
            lambda s: replace(s, evals=s.evals[::-1]),
            lambda s: replace(s, updates=(replace(s.updates[0], kind="forget"), *s.updates[1:])),
            lambda s: replace(s, updates=(fewer(s.updates[0]), *s.updates[1:])),
            lambda s: replace(s, evals=(fewer(s.evals[0]), *s.evals[1:])),
            lambda s: replace(s, evals=(replace(s.evals[0], since=0), *s.evals[1:])),
        ],
    )
    def test_all_that_decides_a_run_counts(self, change: Callable[[Stream], Stream]) -> None:
        assert change(stream()).fingerprint != stream().fingerprint

    def test_names_and_pixels_do_not(self) -> None:
        other = replace(stream(), name="other", source=Spec("other"))
        assert other.fingerprint == stream().fingerprint
        pixels = class_incremental(source(seed=1), "s", Protocol(), increment=2)
        assert pixels.fingerprint == stream().fingerprint


class TestVersions:
    def test_classes_and_samples_that_a_version_has_seen(self) -> None:
        plan = stream()
        assert [plan.n_classes(v) for v in range(4)] == [0, 2, 4, 6]
        assert [len(plan.retained(v)) for v in range(4)] == [0, 6, 12, 18]

    def test_what_is_forgotten_is_retained_no_more(self) -> None:
        plan = stream()
        forget = Update(3, "forget", plan.updates[0].samples[:2], np.array([0]))
        longer = replace(plan, updates=(*plan.updates, forget))
        assert longer.n_classes(4) == 6
        assert set(longer.retained(3)) - set(longer.retained(4)) == set(forget.samples)


class TestProtocol:
    @pytest.mark.parametrize("field", ["memory_bytes", "epochs"])
    @pytest.mark.parametrize("value", [0, -1])
    def test_caps_are_positive(self, field: str, value: int) -> None:
        with pytest.raises(ClbenchError, match=f"{field} is {value}; it must be 1 or more"):
            Protocol(**{field: value})  # type: ignore[arg-type]

    def test_only_what_was_chosen_is_hashed(self) -> None:
        assert Protocol().chosen() == {}
        assert Protocol(epochs=3, past="none").chosen() == {"epochs": 3}

    def test_a_task_incremental_setting_gives_task_ids(self) -> None:
        with pytest.raises(ClbenchError, match=r"task_ids is false; .* task_ids=true"):
            Protocol(setting="task-incremental")

    @pytest.mark.parametrize("contrary", [{"task_ids": True}, {"epochs": 2}])
    def test_an_online_one_has_one_epoch_and_no_task_ids(self, contrary: dict[str, Any]) -> None:
        assert Protocol(online=True, epochs=1).chosen() == {"online": True, "epochs": 1}
        with pytest.raises(ClbenchError, match="online is true; it needs task_ids=false and epoch"):
            Protocol(online=True, **contrary)


def fewer(part: Any) -> Any:
    """An update or evaluation set without its first sample."""
    changed: Update | EvalSet = replace(part, samples=part.samples[1:])
    return changed


HUNDRED = "e41be701819b2fbaa2b145f13d3ab5bad6a6115c92a71ff633ffa6c1ea13fa45"
HUNDRED_B50 = "bf8ceb3f3402d33d1e5aeef32f22d53d5be58c14fd963adb5df648bbed0eadc7"
