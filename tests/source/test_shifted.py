"""Transformed copies: what each transformation does, and that it is the same everywhere."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from clbench.errors import ClbenchError
from clbench.source import Source, blocks, open_source
from clbench.source.rotation import rotation
from clbench.spec import Spec

IMAGES = np.random.default_rng(0).integers(0, 256, (6, 3, 9, 9)).astype(np.uint8)


def shifted(by: str, source: str = "digits", **options: Any) -> Source:
    return open_source(Spec("shifted", {"source": source, "by": by, **options}))


def copies(made: Source, count: int = 5) -> list[np.ndarray]:
    return np.split(np.asarray(made.train.x), count)


class TestCopies:
    @pytest.mark.parametrize("by", ["permute", "rotate", "corrupt"])
    def test_the_first_is_the_source_and_labels_repeat(self, by: str) -> None:
        plain, made = open_source(Spec("digits")), shifted(by)
        np.testing.assert_array_equal(copies(made)[0], plain.train.x)
        np.testing.assert_array_equal(made.train.y, np.tile(plain.train.y, 5))
        np.testing.assert_array_equal(made.test.other["domain"], np.repeat(np.arange(5), 355))
        assert len({copy.tobytes() for copy in copies(made)}) == 5

    @pytest.mark.parametrize("by", ["permute", "rotate", "corrupt"])
    def test_more_copies_leave_the_earlier_ones_as_they_are(self, by: str) -> None:
        few, more = shifted(by, copies=2), shifted(by, copies=3)
        np.testing.assert_array_equal(few.train.x, more.train.x[: len(few.train)])

    def test_one_copy_alone(self) -> None:
        alone = shifted("permute", copies=1, first=3)
        np.testing.assert_array_equal(alone.train.x, copies(shifted("permute"))[3])
        assert set(alone.train.other["domain"]) == {0}

    @pytest.mark.parametrize("by", ["permute", "corrupt"])
    def test_another_seed_draws_others(self, by: str) -> None:
        one, two = shifted(by), shifted(by, seed=1)
        np.testing.assert_array_equal(copies(one)[0], copies(two)[0])
        assert not np.array_equal(copies(one)[1], copies(two)[1])

    def test_other_labellings_stay(self) -> None:
        twice = shifted("permute", source="shifted,source=digits,by=rotate,copies=2", copies=2)
        assert set(twice.train.other) == {"domain"}  # the outer one counts

    def test_small_blocks_give_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        whole = shifted("corrupt").fingerprint
        monkeypatch.setattr(blocks, "BLOCK_BYTES", 6400)
        monkeypatch.setenv("CLBENCH_CACHE", str(tmp_path))
        assert shifted("corrupt").fingerprint == whole


class TestPermutation:
    def test_all_samples_of_both_splits_have_the_same_order(self) -> None:
        made = shifted("permute", copies=2)
        plain, moved = np.split(made.train.x.reshape(2884, 64), 2)
        test_plain, test_moved = np.split(made.test.x.reshape(710, 64), 2)
        before = np.concatenate([plain, test_plain]).T.tolist()
        after = np.concatenate([moved, test_moved]).T.tolist()
        assert sorted(before) == sorted(after)  # whole columns move
        assert before != after

    def test_vectors_can_be_permuted(self) -> None:
        made = shifted("permute", source="synthetic", copies=2)
        np.testing.assert_array_equal(np.sort(copies(made, 2)[0]), np.sort(copies(made, 2)[1]))

    def test_another_process_draws_the_same(self, tmp_path: Path) -> None:
        code = (
            "from clbench.source import open_source; from clbench.spec import Spec; "
            "print(open_source(Spec('shifted', {'source': 'digits', 'by': 'permute'})).fingerprint)"
        )
        environment = {"CLBENCH_CACHE": str(tmp_path), "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-c", code],
            env=environment,
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == shifted("permute").fingerprint


class TestRotation:
    @pytest.mark.parametrize("degrees", [20, 45, 133, -70])
    def test_it_is_scipys_inside_of_the_image(self, degrees: float) -> None:
        expected = ndimage.rotate(
            IMAGES.astype(np.float64),
            degrees,
            axes=(3, 2),
            reshape=False,
            order=1,
            cval=0.0,
            mode="grid-constant",
        )
        found = rotation(degrees, (9, 9))(IMAGES)
        assert np.abs(found - expected).max() <= 0.51  # rounded to bytes

    @pytest.mark.parametrize("quarters", range(5))
    def test_quarter_turns_are_exact(self, quarters: int) -> None:
        expected = np.rot90(IMAGES, quarters, axes=(2, 3))
        np.testing.assert_array_equal(rotation(90 * quarters, (9, 9))(IMAGES), expected)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"by": "turn"}, "unknown shift 'turn'"),
        ({"by": "rotate", "source": "synthetic"}, "by=rotate needs images, and synthetic"),
        ({"by": "corrupt", "source": "synthetic"}, "by=corrupt needs images"),
        ({"by": "corrupt", "copies": 9}, "there are 7 corruptions; copy 8 would need more"),
        ({"by": "corrupt", "severity": 6}, "severity must be 1 to 5; got 6"),
        ({"by": "permute", "copies": 0}, "copies must be a whole number, 1 or more; got 0"),
        ({"by": "permute", "seed": -1}, "seed must be a whole number, 0 or more; got -1"),
    ],
)
def test_what_cannot_be_made(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ClbenchError, match=complaint):
        shifted(**options)
