"""The instance test's source: each image a class, asked by altered copies."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import Source, open_source
from clbench.source.alterations import noisy, occluded
from clbench.spec import Spec

IMAGES = np.random.default_rng(0).integers(1, 256, (40, 3, 16, 16)).astype(np.uint8)


def instances(**options: Any) -> Source:
    return open_source(Spec("instances", {"source": "digits"} | options))


def rows(x: np.ndarray) -> list[bytes]:
    return [image.tobytes() for image in np.asarray(x)]


class TestImages:
    def test_each_is_a_class_with_itself_to_learn_from(self) -> None:
        made = instances(classes=2, per_class=3)
        assert made.train.y.tolist() == [0, 1, 2, 3, 4, 5]
        assert made.classes == tuple(f"image {i}" for i in range(1, 7))
        assert len(set(rows(made.train.x))) == 6

    def test_they_are_of_the_drawn_classes_and_of_the_split(self) -> None:
        digits = open_source(Spec("digits"))
        for split in ("train", "test"):
            made, given = instances(classes=2, per_class=5, split=split), digits.split(split)
            labels = dict(zip(rows(given.x), given.y.tolist(), strict=True))
            found = [labels[image] for image in rows(made.train.x)]
            assert found == made.train.other["category"].tolist()
            assert [found.count(label) for label in dict.fromkeys(found)] == [5, 5]

    def test_a_seed_draws_others(self) -> None:
        drawn = {instances(seed=seed).fingerprint for seed in (0, 0, 1, 2)}
        assert len(drawn) == 3

    def test_unaltered_copies_are_the_images(self) -> None:
        made = instances()
        np.testing.assert_array_equal(made.train.x, made.test.x)
        np.testing.assert_array_equal(made.train.y, made.test.y)

    @pytest.mark.parametrize("alter", ["noise", "occlude"])
    def test_altered_copies_teach_the_same_and_ask_otherwise(self, alter: str) -> None:
        plain, made = instances(), instances(alter=alter, copies=3)
        np.testing.assert_array_equal(made.train.x, plain.train.x)
        np.testing.assert_array_equal(made.test.y, np.tile(plain.train.y, 3))
        copies = np.split(np.asarray(made.test.x), 3)
        assert all((copy != plain.train.x).any() for copy in copies)
        assert len({copy.tobytes() for copy in copies}) == 3
        few = instances(alter=alter, copies=2)
        np.testing.assert_array_equal(few.test.x, made.test.x[: len(few.test)])

    def test_another_cache_holds_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        found = instances(alter="occlude").fingerprint
        monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path))
        assert instances(alter="occlude").fingerprint == found

    def test_vectors_may_be_asked_unaltered(self) -> None:
        made = instances(source="synthetic", per_class=4)
        np.testing.assert_array_equal(made.train.x, made.test.x)


class TestNoise:
    def test_a_share_of_the_values_is_drawn_anew(self) -> None:
        generator = np.random.default_rng(0)
        assert (noisy(IMAGES, generator, 0.0) == IMAGES).all()
        changed = (noisy(np.zeros_like(IMAGES), generator, 0.3) > 0).reshape(40, -1).sum(1)
        share = int(0.3 * 768)
        assert changed.max() <= share  # a value drawn is 0 once in 256
        assert abs(changed.mean() / share - 255 / 256) < 0.01

    def test_what_is_drawn_is_uniform(self) -> None:
        drawn = noisy(IMAGES, np.random.default_rng(0), 1.0).ravel()
        count = np.bincount(drawn, minlength=256)
        expected = len(drawn) / 256
        assert ((count - expected) ** 2 / expected).sum() < 340  # chi-square of 255, p < 0.0003


class TestOcclusion:
    @pytest.mark.parametrize("amount", [0.125, 0.25, 0.5])
    def test_a_whole_disc_is_black_and_the_rest_as_it_was(self, amount: float) -> None:
        found = occluded(IMAGES, np.random.default_rng(0), amount)
        radius = int(amount * 16)
        offset = np.arange(-radius, radius + 1)
        disc = (offset[:, None] ** 2 + offset[None] ** 2 <= radius**2).sum()
        hidden = (found == 0).all(1)
        np.testing.assert_array_equal((found != IMAGES), np.repeat(hidden[:, None], 3, 1))
        if amount < 0.5:
            assert set(hidden.sum((1, 2))) == {disc}
        assert len({each.tobytes() for each in hidden}) > (10 if amount < 0.5 else 0)

    def test_discs_reach_all_sides(self) -> None:
        many = np.repeat(IMAGES[:1], 2000, 0)
        hidden = (occluded(many, np.random.default_rng(0), 0.25) == 0).all(1).any(0)
        assert hidden[:, 0].any()
        assert hidden[0].any()
        # the last row and column stay clear: the centre is below size - radius, as published
        assert hidden[14].any()
        assert hidden[:, 14].any()


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"alter": "blur"}, "unknown alteration 'blur'"),
        ({"split": "valid"}, "unknown split 'valid'"),
        ({"copies": 2}, "unaltered copies are all the same; copies must be 1, not 2"),
        ({"alter": "noise", "amount": 1.5}, "amount of alter=noise must be above 0 and at most 1"),
        ({"alter": "occlude", "amount": 0.6}, "must be above 0 and at most 0.5; got 0.6"),
        ({"alter": "occlude", "amount": "much"}, "at most 0.5; got much"),
        ({"alter": "noise", "source": "synthetic"}, "alter=noise needs images"),
        ({"classes": 11}, "11 classes are asked for; digits has 10"),
        ({"per_class": 60}, r"has \d+ test samples; lower per_class=60"),
        ({"per_class": 0}, "per_class must be a whole number, 1 or more; got 0"),
        ({"seed": -1}, "seed must be a whole number, 0 or more; got -1"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        instances(**options)
