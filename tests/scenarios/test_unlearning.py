"""Streams that learn and forget: what is asked to be forgotten, granted and asked afterwards."""

from collections.abc import Mapping
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

from clbench.errors import ClbenchError
from clbench.plugin import load
from clbench.source import Source, open_source
from clbench.spec import parse_spec
from clbench.stream import EvalSet, Protocol, Stream, Update
from clbench_scenarios.attribution import features_of
from clbench_scenarios.entanglement import entanglement
from clbench_scenarios.forget_sets import FORGET_SETS
from clbench_scenarios.learnt import Learnt
from small import source

SOURCE = source()  # 6 classes of 10 training and 4 test samples, each class in 4 parts
ALL = np.arange(60)
SIZE = {"size": st.integers(1, 20)}
LEVEL = {"level": st.sampled_from(["high", "medium", "low"])}
OPTIONS: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "random": st.fixed_dictionaries({"size": st.integers(1, 59) | st.floats(0.05, 0.9)}),
    "class": st.fixed_dictionaries(
        {
            "classes": st.lists(st.integers(0, 5), min_size=1, max_size=5, unique=True),
            "share": st.sampled_from([0.3, 1.0]),
        }
    ),
    "subclass": st.fixed_dictionaries(
        {
            "by": st.just("part"),
            "parts": st.lists(st.sampled_from([0, 5, 6]), min_size=1, unique=True),
        }
    ),
    "confusable": st.fixed_dictionaries({"pair": st.sampled_from([None, [2, 4]])}),
    "memorised": st.fixed_dictionaries(SIZE | LEVEL),
    "influential": st.fixed_dictionaries(SIZE | LEVEL),
    "entangled": st.fixed_dictionaries(SIZE | LEVEL),
    "component": st.fixed_dictionaries(
        SIZE | {"number": st.integers(1, 2), "tail": st.sampled_from(["top", "bottom", "both"])}
    ),
    "task": st.fixed_dictionaries({"tasks": st.lists(st.integers(0, 2), min_size=1, max_size=2)}),
}


def unlearning(given: Source = SOURCE, protocol: Protocol | None = None, **options: Any) -> Stream:
    made: Stream = load("streams", "unlearning")(given, "s", protocol or Protocol(), **options)
    return made


def forgetting(kind: str, given: Source = SOURCE, **options: Any) -> np.ndarray:
    """The ids that a stream of one request asks to be forgotten."""
    plan = unlearning(given, forget={"name": kind, **options})
    return plan.updates[-1].samples


def sets(plan: Stream) -> Mapping[str, EvalSet]:
    return {each.name: each for each in plan.evals}


def forgets(plan: Stream) -> list[Update]:
    return [update for update in plan.updates if update.kind == "forget"]


@st.composite
def plans(draw: st.DrawFn) -> Stream:
    """Any kind of forget set with any options, requests and protocol that fit the small source."""
    kind = draw(st.sampled_from(sorted(OPTIONS)))
    options = draw(OPTIONS[kind])
    tasks = kind == "task" or draw(st.booleans())
    if kind == "task":
        options["tasks"] = sorted(set(options["tasks"]))
    return unlearning(
        protocol=Protocol(retained=draw(st.sampled_from([None, 0.1, 1.0]))),
        forget={"name": kind, **options},
        increment=2 if tasks else None,
        relearn=draw(st.booleans()),
        order=draw(st.sampled_from(["source", "random"])),
        forget_seed=draw(st.integers(0, 9)),
    )


class TestEveryStream:
    def test_every_kind_is_held(self) -> None:
        assert set(FORGET_SETS) == {*OPTIONS, "corrupted"}

    @given(plans())
    @settings(max_examples=20, deadline=None)
    def test_what_is_forgotten_was_learnt_and_something_is_retained(self, plan: Stream) -> None:
        for update in forgets(plan):
            before, after = plan.retained(update.index), plan.retained(update.index + 1)
            assert 0 < len(update.samples) < 60
            assert np.isin(update.samples, before).all()
            assert not np.isin(update.samples, after).any()
            assert len(after) > 0

    @given(plans())
    @settings(max_examples=20, deadline=None)
    def test_classes_of_a_request_are_those_of_its_samples(self, plan: Stream) -> None:
        labels = plan.label_map(6)[SOURCE.train.y]
        for update in forgets(plan):
            assert update.classes.tolist() == np.unique(labels[update.samples]).tolist()

    @given(plans())
    @settings(max_examples=20, deadline=None)
    def test_the_share_of_retained_data_is_granted(self, plan: Stream) -> None:
        for update in forgets(plan):
            if (share := plan.protocol.retained) is None:
                assert update.retained is None
                continue
            kept = plan.retained(update.index + 1)
            assert update.retained is not None
            assert len(update.retained) == max(1, round(share * len(kept)))
            assert np.isin(update.retained, kept).all()

    @given(plans())
    @settings(max_examples=20, deadline=None)
    def test_every_sample_is_asked_in_one_set_of_its_split_once_its_class_is_known(
        self, plan: Stream
    ) -> None:
        assert [each.since for each in plan.evals] == sorted(each.since for each in plan.evals)
        for split, count in (("train", 60), ("test", 24)):
            asked = [e.samples for e in plan.evals if e.split == split and e.name != "near"]
            np.testing.assert_array_equal(np.sort(np.concatenate(asked)), np.arange(count))
        for each in plan.evals:
            labels = plan.label_map(6)[SOURCE.split(each.split).y[each.samples]]
            assert each.classes.tolist() == np.unique(labels).tolist()
            assert each.classes.max() < plan.n_classes(each.since)

    @given(plans())
    @settings(max_examples=20, deadline=None)
    def test_relearning_teaches_again_what_was_forgotten(self, plan: Stream) -> None:
        if plan.updates[-1].kind == "learn":
            np.testing.assert_array_equal(plan.retained(len(plan.updates)), ALL)
            assert plan.n_classes(len(plan.updates)) == 6

    def test_a_seed_is_a_stream(self) -> None:
        options = {"forget": {"name": "random", "size": 9}, "protocol": Protocol(retained=0.5)}
        made = [unlearning(**options, forget_seed=seed).fingerprint for seed in (3, 3, 6)]
        assert made[0] == made[1] != made[2]

    def test_what_is_granted_is_part_of_the_fingerprint(self) -> None:
        forget = {"name": "random", "size": 9}
        rules = ({}, {"retained": 0.5}, {"retained": 1.0}, {"forget_labels": False})
        made = [unlearning(forget=forget, protocol=Protocol(**each)) for each in rules]
        assert len({plan.fingerprint for plan in made}) == 4

    def test_no_share_and_a_share_of_none_are_one_protocol(self) -> None:
        forget = {"name": "random", "size": 9}
        made = [unlearning(forget=forget, protocol=Protocol(retained=share)) for share in (None, 0)]
        assert made[0].fingerprint == made[1].fingerprint


class TestRequests:
    def test_a_set_is_cut_into_requests_of_equal_size(self) -> None:
        plan = unlearning(forget={"name": "random", "size": 12}, requests=4)
        assert [len(update.samples) for update in forgets(plan)] == [3, 3, 3, 3]
        whole = np.sort(np.concatenate([update.samples for update in forgets(plan)]))
        np.testing.assert_array_equal(whole, forgetting("random", size=12))
        assert [e.name for e in plan.evals][:4] == [f"forget-{i}" for i in (1, 2, 3, 4)]

    def test_classes_are_a_request_each(self) -> None:
        plan = unlearning(forget={"name": "class", "classes": [4, 1]}, requests=2)
        assert [update.classes.tolist() for update in forgets(plan)] == [[4], [1]]

    def test_granted_data_are_what_all_requests_so_far_leave(self) -> None:
        plan = unlearning(
            protocol=Protocol(retained=1.0),
            forget={"name": "class", "classes": [4, 1]},
            requests=2,
        )
        assert [len(u.retained) for u in forgets(plan) if u.retained is not None] == [50, 40]


class TestKinds:
    def test_random_within_classes(self) -> None:
        assert set(SOURCE.train.y[forgetting("random", size=15, classes=[2, 5])]) == {2, 5}

    def test_fewer_are_among_more(self) -> None:
        assert set(forgetting("random", size=5)) < set(forgetting("random", size=9))

    def test_test_samples_of_a_forgotten_class_are_asked_apart(self) -> None:
        plan = unlearning(forget={"name": "class", "classes": [2]})
        assert set(SOURCE.test.y[sets(plan)["test-forgotten"].samples]) == {2}
        assert 2 not in SOURCE.test.y[sets(plan)["test"].samples]

    def test_of_a_class_that_is_partly_forgotten_they_are_not(self) -> None:
        plan = unlearning(forget={"name": "class", "classes": [2], "share": 0.5})
        assert len(plan.updates[-1].samples) == 5
        assert "test-forgotten" not in sets(plan)

    def test_a_fine_class_goes_and_its_coarse_class_stays(self) -> None:
        plan = unlearning(forget={"name": "subclass", "by": "part", "parts": [5]})
        gone = plan.updates[-1].samples
        assert set(SOURCE.train.other["part"][gone]) == {5}
        assert 1 in SOURCE.train.y[np.setdiff1d(ALL, gone)]
        asked = sets(plan)["test-forgotten"].samples
        assert set(SOURCE.test.other["part"][asked]) == {5}

    def test_of_a_confusable_pair_the_other_class_is_asked_too(self) -> None:
        plan = unlearning(forget={"name": "confusable", "pair": [4, 0]})
        assert plan.updates[-1].classes.tolist() == [4]
        assert set(SOURCE.test.y[sets(plan)["near"].samples]) == {0}

    def test_the_most_confused_classes_are_those_that_overlap(self) -> None:
        given = source(classes=3, per_class=30)
        x = np.array(given.train.x)
        generator = np.random.default_rng(0)
        x[:] = 0.1 * generator.standard_normal(x.shape) + 5 * np.eye(3)[given.train.y][:, :2]
        x[given.train.y == 2] = x[given.train.y == 0] + 0.1 * generator.standard_normal((30, 2))
        object.__setattr__(given.train, "x", x.astype(np.float32))
        plan = unlearning(given, forget="confusable")
        near = given.test.y[sets(plan)["near"].samples]
        assert {*plan.updates[-1].classes.tolist(), *near.tolist()} == {0, 2}

    @pytest.mark.parametrize("kind", ["memorised", "influential", "component"])
    def test_levels_are_parts_of_one_order(self, kind: str) -> None:
        name = "tail" if kind == "component" else "level"
        high, low = ("top", "bottom") if kind == "component" else ("high", "low")
        head = Learnt(SOURCE, "s", [ALL]).head()
        memorisation, influence = head.memorisation, head.influence
        scores = {
            "memorised": memorisation,
            "influential": influence,
            "component": head.component(1),
        }
        order = np.argsort(scores[kind])
        np.testing.assert_array_equal(forgetting(kind, size=7, **{name: low}), np.sort(order[:7]))
        np.testing.assert_array_equal(forgetting(kind, size=7, **{name: high}), np.sort(order[-7:]))

    def test_both_tails(self) -> None:
        order = np.argsort(Learnt(SOURCE, "s", [ALL]).head().component(1))
        found = forgetting("component", size=7, tail="both")
        np.testing.assert_array_equal(found, np.sort([*order[:3], *order[-4:]]))
        assert len(forgetting("component", size=1, tail="both")) == 1

    def test_entanglement_falls_from_high_to_low(self) -> None:
        embeddings = features_of(SOURCE.train.x)[:, :-1]
        found = [
            entanglement(embeddings, np.isin(ALL, forgetting("entangled", size=12, level=level)))
            for level in ("high", "medium", "low")
        ]
        assert found[0] > found[1] > found[2]

    def test_a_task_is_what_an_update_taught(self) -> None:
        plan = unlearning(increment=2, forget={"name": "task", "tasks": [1]}, order="random")
        np.testing.assert_array_equal(plan.updates[-1].samples, plan.updates[1].samples)
        assert [u.kind for u in plan.updates] == ["learn", "learn", "learn", "forget"]
        assert {name: each.since for name, each in sets(plan).items()} == {
            "forget": 2,
            "test-forgotten": 2,
            "retain": 3,
            "test": 3,
        }


class TestCorrupted:
    def test_only_a_share_of_the_wrong_labels_is_known(self) -> None:
        given = open_source(parse_spec("mislabelled,source=digits,share=0.1"))
        plan = unlearning(given, forget={"name": "corrupted", "known": 0.25})
        bad = np.flatnonzero(given.train.other["bad"])
        known, hidden = plan.updates[-1].samples, sets(plan)["unknown"].samples
        assert len(known) == round(0.25 * len(bad))
        np.testing.assert_array_equal(np.sort(np.concatenate([known, hidden])), bad)
        assert np.isin(hidden, plan.retained(2)).all()
        assert "test-forgotten" not in sets(plan)

    def test_test_samples_with_the_trigger_are_asked_apart(self) -> None:
        given = open_source(parse_spec("poisoned,source=digits"))
        plan = unlearning(given, forget="corrupted")
        assert given.test.other["bad"][sets(plan)["test-forgotten"].samples].all()
        assert not given.test.other["bad"][sets(plan)["test"].samples].any()
        assert "unknown" not in sets(plan)


class TestErrors:
    @pytest.mark.parametrize(
        ("options", "complaint"),
        [
            ({"forget": "randon"}, "unknown forget set of s 'randon'; did you mean 'random'"),
            ({"forget": {"name": "random", "sise": 3}}, "option of forget set random 'sise'"),
            ({"forget": "random"}, "forget set random needs the option 'size'"),
            ({"forget": {"name": "random", "size": 0}}, "size must be a whole number, 1 or more"),
            ({"forget": {"name": "random", "size": 1.5}}, "size must be from 0 to 1; got 1.5"),
            ({"forget": {"name": "random", "size": 61}}, "61 samples .* of 60 samples; lower size"),
            ({"forget": {"name": "random", "size": 60}}, "all that was learnt .*; retain some"),
            ({"forget": {"name": "class", "classes": [6]}}, "class 6 is .* never learnt; learnt"),
            ({"forget": {"name": "class", "classes": [0], "share": 2}}, "share must be from 0 to"),
            (
                {"forget": {"name": "subclass", "by": "parts", "parts": [1]}},
                "labelling of synthetic.* 'parts'; did you mean 'part'",
            ),
            (
                {"forget": {"name": "subclass", "by": "part", "parts": [99]}},
                "no sample that was learnt has part 99",
            ),
            (
                {"forget": {"name": "subclass", "by": "part", "parts": [0, 1, 2, 3]}},
                "are all of class 0; forget the class, or leave one of its parts",
            ),
            ({"forget": {"name": "confusable", "pair": [1, 1]}}, "must be two different classes"),
            ({"forget": "corrupted"}, "labelling of synthetic.* 'bad'"),
            ({"forget": {"name": "memorised", "size": 5, "level": "top"}}, "level of s 'top'"),
            ({"forget": {"name": "component", "size": 5, "tail": "high"}}, "tail of s 'high'"),
            ({"forget": {"name": "task", "tasks": [0]}}, "of 1 learn updates; give increment"),
            ({"forget": {"name": "random", "size": 3}, "requests": 4}, "do not make 4 requests"),
            (
                {"forget": {"name": "class", "classes": [0, 1, 2]}, "requests": 2},
                "3 groups of 30 samples do not make 2 requests; requests must be 1 or 3",
            ),
            (
                {"forget": {"name": "random", "size": 3}, "protocol": Protocol(online=True)},
                "online protocol shows a sample once; set online=false",
            ),
        ],
    )
    def test_a_stream_that_cannot_be_is_refused(
        self, options: dict[str, Any], complaint: str
    ) -> None:
        with pytest.raises(ClbenchError, match=complaint):
            unlearning(**options)
