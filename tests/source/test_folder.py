from pathlib import Path

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import open_source
from clbench.spec import Spec


def opened(root: Path, **options):
    return open_source(Spec("folder", {"path": str(root), **options}))


def test_pixels_and_labels_follow_the_sorted_names(image_folder: Path, pictures):
    source = opened(image_folder)
    assert source.classes == ("ant", "bee")
    assert source.train.y.tolist() == [0, 0, 1, 1]
    np.testing.assert_array_equal(source.train.x, [pictures.pixels(i) for i in range(4)])
    np.testing.assert_array_equal(source.test.x, [pictures.pixels(i) for i in (4, 5)])


def test_large_images_are_decoded_alike_by_threads(
    image_folder: Path, monkeypatch: pytest.MonkeyPatch
):
    serial = opened(image_folder)
    monkeypatch.setattr("clbench.source.image.THREADED_PIXELS", 1)
    monkeypatch.setenv("CLBENCH_CACHE", str(image_folder.parent / "other cache"))
    assert opened(image_folder).fingerprint == serial.fingerprint


def test_grey_images_stay_grey(image_folder: Path, pictures):
    for file in image_folder.rglob("*.png"):
        file.write_bytes(pictures.png(0, channels=1))
    assert opened(image_folder).train.shape == (1, 8, 8)
    in_colour = opened(image_folder, channels=3).train.x
    np.testing.assert_array_equal(in_colour[0], np.repeat(pictures.pixels(0, channels=1), 3, 0))


def test_a_grey_image_in_a_colour_source_gets_three_equal_channels(image_folder: Path, pictures):
    (image_folder / "train/bee/1.png").write_bytes(pictures.png(9, channels=1))
    np.testing.assert_array_equal(
        opened(image_folder).train.x[3], np.repeat(pictures.pixels(9, channels=1), 3, 0)
    )


def test_a_colour_image_in_a_grey_source_is_an_error(image_folder: Path, pictures):
    (image_folder / "train/ant/0.png").write_bytes(pictures.png(9, channels=1))
    with pytest.raises(ClbenchError, match=r"ant/1\.png is in colour .* channels=3"):
        opened(image_folder)


def test_images_of_other_sizes_need_a_size(image_folder: Path, pictures):
    (image_folder / "test/bee/0.png").write_bytes(pictures.png(9, side=12))
    with pytest.raises(ClbenchError, match=r"bee/0\.png is 12x12 pixels .* 8x8; size="):
        opened(image_folder)
    assert opened(image_folder, size=8).test.shape == (3, 8, 8)


@pytest.mark.parametrize("content", [b"", b"not an image", None])
def test_an_image_that_cannot_be_read_is_named(image_folder: Path, pictures, content):
    file = image_folder / "train/bee/1.png"
    file.write_bytes(pictures.png(9)[:100] if content is None else content)
    with pytest.raises(ClbenchError, match=r"bee/1\.png cannot be read as an image"):
        opened(image_folder)


def test_sixteen_bits_a_channel_are_an_error(image_folder: Path, pictures):
    from PIL import Image

    Image.fromarray(np.full((8, 8), 1000, np.uint16)).save(image_folder / "train/bee/1.png")
    with pytest.raises(ClbenchError, match=r"bee/1\.png has mode I;16; need 8 bits"):
        opened(image_folder)


def test_hidden_files_are_passed_over(image_folder: Path):
    (image_folder / "train/bee/.DS_Store").write_bytes(b"junk")
    (image_folder / "train/.thumbnails").mkdir()
    assert len(opened(image_folder).train) == 4


def test_an_empty_class_is_named(image_folder: Path):
    (image_folder / "train/cat").mkdir()
    (image_folder / "test/cat").mkdir()
    with pytest.raises(ClbenchError, match="train/cat holds no images"):
        opened(image_folder)


def test_a_class_of_one_split_only_is_named(image_folder: Path):
    (image_folder / "test/cat").mkdir()
    with pytest.raises(ClbenchError, match="same class folders; only one of them has cat"):
        opened(image_folder)


def test_missing_splits_and_classes_are_named(tmp_path: Path):
    with pytest.raises(ClbenchError, match=r"there is no folder .*/train;"):
        opened(tmp_path)
    (tmp_path / "train").mkdir()
    with pytest.raises(ClbenchError, match="train has no class folders"):
        opened(tmp_path)


def test_options_out_of_range_are_named(image_folder: Path):
    with pytest.raises(ClbenchError, match="size must be a number of pixels, 1 or more; got 0"):
        opened(image_folder, size=0)
    with pytest.raises(ClbenchError, match="channels must be 1 or 3; got 2"):
        opened(image_folder, channels=2)
