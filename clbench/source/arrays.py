"""Arrays in an .npz file."""

import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError, listing
from clbench.paths import find
from clbench.source.base import Source, Split, checked, spec_of

NAMES = ("x_train", "y_train", "x_test", "y_test")

Arrays = dict[str, npt.NDArray[Any]]


def arrays(path: str) -> Source:
    """The arrays `x_train`, `y_train`, `x_test`, `y_test` and, if there, `classes` of a file.

    `x` is uint8 images [N, C, H, W] or float32 vectors [N, d], `y` whole numbers [N], `classes`
    names [n]; without them classes are called 0, 1, ...

    Raises:
        ClbenchError: the file is missing, damaged, or an array is missing or of another kind.
    """
    file = find(path, "file")
    found = _loaded(file)
    for name in NAMES:
        if name not in found:
            raise ClbenchError(f"{file} has no array {name!r}; it has {listing(sorted(found))}")
    train, test = (_split(file, found, name) for name in ("train", "test"))
    if "classes" in found:
        classes = _names(file, found["classes"])
    else:
        largest = max(split.y.max(initial=-1) for split in (train, test))
        classes = tuple(map(str, range(largest + 1)))
    return checked(Source(spec_of("arrays", path=path), train, test, classes))


def _loaded(file: Path) -> Arrays:
    try:
        with file.open("rb") as handle, np.load(handle, allow_pickle=False) as archive:
            return {name: archive[name] for name in archive.files if name in (*NAMES, "classes")}
    except (ValueError, TypeError, OSError, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise ClbenchError(
            f"{file} cannot be read as an .npz file of plain arrays: {error}; "
            "write it with numpy.savez and no object arrays"
        ) from error


def _split(file: Path, found: Arrays, split: str) -> Split:
    x, y = found[f"x_{split}"], found[f"y_{split}"]
    if y.ndim != 1 or y.dtype.kind not in "iu":
        raise ClbenchError(f"{file}: y_{split} is {y.dtype} {y.shape}; need whole numbers [N]")
    if x.dtype.kind == "f" and not np.isfinite(x).all():
        row = int(np.argmin(np.isfinite(x).reshape(len(x), -1).all(axis=1)))
        raise ClbenchError(f"{file}: x_{split} is not finite in row {row}; remove or mend it")
    return Split(x, y.astype(np.int64))  # checked() sees to the type of x


def _names(file: Path, names: npt.NDArray[Any]) -> tuple[str, ...]:
    if names.ndim != 1 or names.dtype.kind != "U":
        raise ClbenchError(f"{file}: classes is {names.dtype} {names.shape}; need text [n]")
    return tuple(map(str, names))
