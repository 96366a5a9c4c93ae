"""Domain-incremental streams: by a labelling of domains, or by parts of classes."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source.base import Source, open_source
from clbench.spec import Spec, parse_spec
from clbench.stream import Protocol, Stream
from small import DOMAIN, source, stream

DATA = Path(__file__).parents[3] / "shared" / "data"


def shifted() -> Source:
    return open_source(parse_spec("shifted,source=[synthetic,classes=3,per_class=4],by=permute"))


def domains(given: Source | None = None, **options: Any) -> Stream:
    return stream("domain_incremental", given, **{"by": "domain", "protocol": DOMAIN} | options)


class TestByDomain:
    def test_each_update_learns_one_copy_of_all_classes(self) -> None:
        plan = domains(shifted())
        for i, (update, asked) in enumerate(zip(plan.updates, plan.evals, strict=True)):
            assert update.samples.tolist() == list(range(12 * i, 12 * (i + 1)))
            assert update.classes.tolist() == ([0, 1, 2] if i == 0 else [])
            assert asked.samples.tolist() == list(range(150 * i, 150 * (i + 1)))
            assert asked.classes.tolist() == [0, 1, 2]

    def test_all_domains_are_asked_from_the_first_version_on(self) -> None:
        assert [each.since for each in domains(shifted()).evals] == [1] * 5

    def test_domains_come_in_the_order_given(self) -> None:
        names = [each.name for each in domains(shifted(), order=[2, 0]).evals]
        assert names == ["domain 2", "domain 0"]


class TestWithinClasses:
    def test_each_update_learns_one_part_of_each_class(self) -> None:
        plan = domains(by="part", within_class=True)
        for i, update in enumerate(plan.updates):
            parts = np.unique(source().train.other["part"][update.samples])
            assert parts.tolist() == [i, 4 + i, 8 + i, 12 + i, 16 + i, 20 + i]

    @pytest.mark.shared
    def test_superclasses_by_one_fine_class_of_each(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("CLBENCH_DATA", str(DATA))
        options = {"path": "cifar100-150", "label": "coarse_label"}
        images = open_source(Spec("huggingface", dict(options)))
        plan = domains(images, by="fine_label", within_class=True)
        for update in plan.updates:
            pairs = np.stack(
                [images.train.y[update.samples], images.train.other["fine_label"][update.samples]]
            )
            found, counts = np.unique(pairs, axis=1, return_counts=True)
            assert found[0].tolist() == list(range(20))  # each superclass by one fine class
            assert counts.tolist() == [150] * 20
        assert [len(each.samples) for each in plan.evals] == [1000] * 5


class TestClassesThatComeLater:
    def test_a_domain_is_asked_once_its_classes_are_known_and_sets_keep_the_order(self) -> None:
        given = source()
        for split in (given.train, given.test):
            number = np.where(split.y < 4, 0, 1)  # classes 4 and 5 are in domain 1 alone
            number[split.other["part"] % 4 == 3] = 2
            object.__setattr__(split, "other", {"domain": number})
        plan = domains(given, order=[0, 1, 2])
        assert [update.classes.tolist() for update in plan.updates] == [[0, 1, 2, 3], [4, 5], []]
        assert [(each.name, each.since) for each in plan.evals] == [
            ("domain 0", 1),
            ("domain 1", 2),
            ("domain 2", 2),
        ]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"protocol": Protocol()}, "protocol setting must be domain-incremental"),
        ({"by": "parts"}, "unknown labelling of synthetic.* 'parts'; did you mean 'part'"),
        ({"by": "part", "order": [24]}, "not a list of distinct classes below 24"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        domains(source(), **options)


def test_a_domain_without_samples_is_named() -> None:
    given = source()
    object.__setattr__(given.test, "other", {"part": given.test.other["part"] * 0})
    with pytest.raises(ClbenchError, match="domain 1 of part has 3 training and 0 test samples"):
        domains(given, by="part")
