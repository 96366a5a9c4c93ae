"""What is true of the streams of every generator, whatever their options."""

from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from clbench.plugin import entries
from clbench.source.base import Source
from clbench.stream import Protocol, Stream
from small import DOMAIN, learned, source, stream

ONLINE = Protocol(online=True)
ORDERS = {"order": st.sampled_from(["source", "random"]), "order_seed": st.integers(0, 9)}
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "class_incremental": st.fixed_dictionaries(
        {"increment": st.sampled_from([1, 2, 3, 6])} | ORDERS
    ),
    "continual_few_shot": st.fixed_dictionaries(
        {
            "support_sets": st.sampled_from([2, 4, 6]),
            "class_change_interval": st.just(2),
            "way": st.integers(1, 2),
            "shot": st.integers(1, 5),
        }
        | ORDERS
    ),
    "few_shot": st.fixed_dictionaries(
        {"base": st.just(2), "way": st.sampled_from([1, 2, 4]), "shot": st.integers(1, 10)} | ORDERS
    ),
    "long_tailed": st.fixed_dictionaries(
        {
            "increment": st.sampled_from([1, 2, 3]),
            "ratio": st.floats(0.1, 1),
            "shuffled": st.booleans(),
        }
        | ORDERS
    ),
    "blurry": st.fixed_dictionaries(
        {
            "updates": st.integers(2, 4),
            "disjoint": st.floats(0, 100),
            "blurred": st.floats(0, 60),
            "stochastic": st.booleans(),
            "every": st.sampled_from([None, 3, 7, 100]),
            "blur_seed": st.integers(0, 9),
        }
        | ORDERS
    ),
    "online": st.fixed_dictionaries(
        {
            "increment": st.sampled_from([1, 2, 3]),
            "every": st.integers(1, 70),
            "protocol": st.just(ONLINE),
        }
        | ORDERS
    ),
    "repetition": st.fixed_dictionaries(
        {
            "updates": st.integers(1, 8),
            "size": st.integers(6, 10),
            "repeat": st.floats(0, 1),
            "first": st.sampled_from(["uniform", "geometric"]),
        }
        | ORDERS
    ),
    "domain_incremental": st.fixed_dictionaries(
        {"by": st.just("part"), "within_class": st.just(True), "protocol": st.just(DOMAIN)} | ORDERS
    ),
    "heterogeneous": st.fixed_dictionaries({"by": st.just("pair")} | ORDERS),
}
# Where every training sample, not only some, is learned exactly once.
WHOLE = {"class_incremental", "blurry", "online", "domain_incremental", "heterogeneous"}
# Held by test_unlearning.py and test_replacement.py: not all of their updates learn.
OTHERS = {"unlearning", "replacement"}
# The option whose value decides what is drawn, and options that draw.
DRAWS: dict[str, tuple[str, dict[str, Any]]] = {
    "class_incremental": ("order_seed", {"increment": 2, "order": "random"}),
    "continual_few_shot": ("shot_seed", {"support_sets": 3, "way": 2, "shot": 3}),
    "few_shot": ("shot_seed", {"base": 2, "way": 2, "shot": 3}),
    "long_tailed": ("tail_seed", {"increment": 2, "ratio": 0.2}),
    "blurry": ("blur_seed", {"updates": 3}),
    "online": ("arrival_seed", {"increment": 2, "every": 5, "protocol": ONLINE}),
    "repetition": ("repeat_seed", {"updates": 5, "size": 10, "repeat": 0.5}),
    "domain_incremental": (
        "order_seed",
        {"by": "part", "within_class": True, "order": "random", "protocol": DOMAIN},
    ),
    "heterogeneous": ("order_seed", {"by": "pair", "order": "random"}),
}


def paired(given: Source) -> Source:
    """The source with a labelling of pairs of classes."""
    for split in (given.train, given.test):
        object.__setattr__(split, "other", {**split.other, "pair": split.y // 2})
    return given


SOURCE = paired(source())


@st.composite
def plans(draw: st.DrawFn) -> tuple[str, Stream]:
    """Any generator with any options that fit the small source."""
    name = draw(st.sampled_from(sorted(OPTIONS)))
    return name, stream(name, SOURCE, **draw(OPTIONS[name]))


def test_every_generator_is_held() -> None:
    ours = {name for name, each in entries("streams").items() if each.distribution == "clbench"}
    assert ours - OTHERS == set(OPTIONS) == set(DRAWS)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_labels_are_numbered_as_classes_arrive(made: tuple[str, Stream]) -> None:
    _, plan = made
    new = np.concatenate([update.classes for update in plan.updates])
    np.testing.assert_array_equal(new, np.arange(len(plan.class_order)))
    labels = plan.label_map(len(SOURCE.classes))[SOURCE.train.y]
    seen: set[int] = set()
    for version, update in enumerate(plan.updates, start=1):
        assert len(update.samples) > 0
        here = set(labels[update.samples].tolist())
        assert here - seen == set(update.classes.tolist())
        seen |= here
        assert plan.n_classes(version) == len(seen)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_a_set_is_of_test_samples_whose_classes_are_there(made: tuple[str, Stream]) -> None:
    _, plan = made
    labels = plan.label_map(len(SOURCE.classes))[SOURCE.test.y]
    assert [each.since for each in plan.evals] == sorted(each.since for each in plan.evals)
    for each in plan.evals:
        assert each.split == "test"
        assert len(each.samples) > 0
        assert set(labels[each.samples].tolist()) == set(each.classes.tolist())
        assert each.classes.max() < plan.n_classes(each.since)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_every_test_sample_of_a_class_is_asked_once(made: tuple[str, Stream]) -> None:
    _, plan = made
    asked = np.concatenate([each.samples for each in plan.evals])
    expected = np.flatnonzero(np.isin(SOURCE.test.y, plan.class_order))
    np.testing.assert_array_equal(np.sort(asked), expected)


@given(plans())
@settings(max_examples=150, deadline=None)
def test_no_sample_is_learned_twice_and_where_all_are_promised_none_is_left(
    made: tuple[str, Stream],
) -> None:
    name, plan = made
    for update in plan.updates:
        assert len(np.unique(update.samples)) == len(update.samples)
    if name != "repetition":
        assert len(np.unique(learned(plan))) == len(learned(plan))
    if name in WHOLE:
        np.testing.assert_array_equal(np.sort(learned(plan)), np.arange(len(SOURCE.train)))


@pytest.mark.parametrize("name", DRAWS)
def test_a_seed_is_a_stream(name: str) -> None:
    option, options = DRAWS[name]
    made = [stream(name, SOURCE, **options, **{option: seed}).fingerprint for seed in (3, 3, 6)]
    assert made[0] == made[1] != made[2]
