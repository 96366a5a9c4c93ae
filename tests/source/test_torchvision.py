from pathlib import Path

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import open_source
from clbench.spec import Spec


def write_idx(file: Path, array: np.ndarray) -> None:
    head = bytes([0, 0, 8, array.ndim])
    file.write_bytes(head + np.array(array.shape, ">i4").tobytes() + array.tobytes())


@pytest.fixture
def mnist(tmp_path: Path) -> Path:
    """Files in MNIST's own format under the default root: 20 images to train on, 10 to test."""
    raw = tmp_path / "data" / "MNIST" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, n in (("train", 20), ("t10k", 10)):
        x = np.random.default_rng(n).integers(0, 256, (n, 28, 28), dtype=np.uint8)
        write_idx(raw / f"{name}-images-idx3-ubyte", x)
        write_idx(raw / f"{name}-labels-idx1-ubyte", np.arange(n, dtype=np.uint8) % 10)
    return raw


def opened(name: str = "MNIST", **options):
    return open_source(Spec("torchvision", {"name": name, **options}))


def test_a_data_set_of_torchvision_is_read_as_it_is(mnist: Path):
    source = opened()
    assert source.train.x.shape == (20, 1, 28, 28)
    expected = np.random.default_rng(10).integers(0, 256, (10, 28, 28), dtype=np.uint8)
    np.testing.assert_array_equal(source.test.x[:, 0], expected)
    assert source.test.y.tolist() == list(range(10))
    assert source.classes[0] == "0 - zero"


def test_it_is_decoded_once_and_its_files_are_watched(mnist: Path, monkeypatch):
    first = opened()
    monkeypatch.setattr("clbench.source.torchvision._opened", None)
    assert opened().fingerprint == first.fingerprint
    write_idx(mnist / "t10k-labels-idx1-ubyte", np.zeros(10, dtype=np.uint8))
    with pytest.raises(ClbenchError, match="t10k-labels-idx1-ubyte changed since"):
        opened()


def test_a_root_can_be_given(mnist: Path):
    assert len(opened(root=str(mnist.parents[1])).train) == 20


def test_images_can_be_resized(mnist: Path):
    assert opened(size=14, channels=3).train.shape == (3, 14, 14)


def test_missing_data_says_where_it_goes_and_downloads_nothing(tmp_path: Path):
    with pytest.raises(ClbenchError, match=f"put its files under {tmp_path}/data/MNIST .*download"):
        opened()
    assert not (tmp_path / "data").exists()


def test_an_unknown_name_gives_the_nearest():
    with pytest.raises(ClbenchError, match="did you mean 'CIFAR100'"):
        opened("Cifar100")


def test_a_split_that_the_class_does_not_have_is_named():
    with pytest.raises(ClbenchError, match=r"torchvision cannot open SVHN .*'trian'"):
        opened("SVHN", train="trian")


def test_what_is_not_labelled_images_is_named(mnist: Path, monkeypatch):
    monkeypatch.setattr("clbench.source.torchvision._opened", lambda *args: [("text", [1, 2])])
    with pytest.raises(ClbenchError, match="gives str and list for a sample; need an image and"):
        opened()


def test_a_data_set_without_names_is_numbered(mnist: Path, monkeypatch, pictures):
    monkeypatch.setattr(
        "clbench.source.torchvision._opened",
        lambda *args: [(pictures.image(i), i) for i in range(3)],
    )
    assert opened().classes == ("0", "1", "2")
