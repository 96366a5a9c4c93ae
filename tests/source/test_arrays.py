from pathlib import Path

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source import open_source
from clbench.spec import Spec

GOOD = {
    "x_train": np.ones((4, 3), dtype=np.float32),
    "y_train": np.array([0, 1, 0, 1], dtype=np.uint8),
    "x_test": np.zeros((2, 3), dtype=np.float32),
    "y_test": np.array([1, 0]),
}


def opened(folder: Path, **changes):
    file = folder / "data.npz"
    np.savez(file, **{k: v for k, v in (GOOD | changes).items() if v is not None})
    return open_source(Spec("arrays", {"path": str(file)}))


def test_arrays_come_back_as_they_are(tmp_path: Path):
    source = opened(tmp_path, classes=np.array(["ant", "bee"]))
    np.testing.assert_array_equal(source.train.x, GOOD["x_train"])
    np.testing.assert_array_equal(source.test.y, GOOD["y_test"])
    assert source.train.y.dtype == np.int64
    assert source.classes == ("ant", "bee")


def test_without_names_classes_are_numbers(tmp_path: Path):
    assert opened(tmp_path).classes == ("0", "1")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"x_test": None}, "no array 'x_test'; it has x_train, y_test, y_train"),
        ({"y_train": np.array([0.0, 1, 0, 1])}, "y_train is float64"),
        ({"y_train": np.array([0, 1])}, "4 samples"),
        ({"y_train": np.array([0, 1, 0, -1])}, "labels -1 to 1"),
        ({"x_train": np.array([[1, 2, np.nan]] * 4, dtype=np.float32)}, "not finite in row 0"),
        ({"x_train": np.ones((4, 3))}, "float64"),
        ({"classes": np.array([1, 2])}, "classes is int64"),
        ({"classes": np.array(["ant"])}, "labels 0 to 1 for 1 classes"),
        ({"x_train": np.array([None] * 4)}, "plain arrays"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, changes: dict, says: str):
    with pytest.raises(ClbenchError, match=says):
        opened(tmp_path, **changes)


@pytest.mark.parametrize("content", [b"", b"not an archive", b"PK\x03\x04 cut"])
def test_a_damaged_file_is_named(tmp_path: Path, content: bytes):
    file = tmp_path / "bad.npz"
    file.write_bytes(content)
    with pytest.raises(ClbenchError, match=r"bad\.npz cannot be read"):
        open_source(Spec("arrays", {"path": str(file)}))


def test_a_single_array_is_not_taken_for_an_archive(tmp_path: Path):
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(ClbenchError, match=r"x\.npy cannot be read as an \.npz"):
        open_source(Spec("arrays", {"path": str(tmp_path / "x.npy")}))


def test_a_missing_file_is_named():
    with pytest.raises(ClbenchError, match=r"no file absent\.npz"):
        open_source(Spec("arrays", {"path": "absent.npz"}))
