"""What a source of samples is: two splits of arrays, class names and a fingerprint."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError, listing
from clbench.spec import Spec, Value

IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[np.uint8] | npt.NDArray[np.float32]
A = TypeVar("A", bound=npt.NDArray[Any])


@dataclass(frozen=True)
class Split:
    """Samples and their labels, held as read-only views.

    `x` is uint8 images [N, C, H, W] or float32 vectors [N, d], resident or memory-mapped;
    `y` int64 labels [N]; `other` further labellings of the same samples, such as coarse ones.
    """

    x: AnyArray
    y: IntArray
    other: Mapping[str, IntArray] = field(default_factory=dict)

    def __post_init__(self) -> None:
        object.__setattr__(self, "x", _read_only(self.x))
        object.__setattr__(self, "y", _read_only(self.y))
        object.__setattr__(self, "other", {k: _read_only(v) for k, v in self.other.items()})

    def __len__(self) -> int:
        return len(self.y)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one sample."""
        return tuple(self.x.shape[1:])


@dataclass(frozen=True)
class Source:
    """A labelled data set. `spec` opens it again; `classes` names the labels 0, 1, ..."""

    spec: Spec
    train: Split
    test: Split
    classes: tuple[str, ...]
    stored_fingerprint: str | None = None  # where the content was hashed before

    def split(self, name: str) -> Split:
        """The split called `train` or `test`."""
        return {"train": self.train, "test": self.test}[name]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over samples, labels and class names."""
        if self.stored_fingerprint is not None:
            return self.stored_fingerprint
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for split in (self.train, self.test):
            for array in (split.x, split.y):
                update_digest(digest, array)
            for name in sorted(split.other):
                digest.update(name.encode())
                update_digest(digest, split.other[name])
        return digest.hexdigest()


def _read_only(array: A) -> A:
    view = array.view()
    view.flags.writeable = False
    return view


def update_digest(digest: "hashlib._Hash", array: npt.NDArray[np.generic]) -> None:
    """Feed an array's dtype, shape and bytes to a digest, a block at a time."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    rows = max(1, (1 << 24) // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)


def spec_of(name: str, /, **options: Value | None) -> Spec:
    """A spec with the options that are set."""
    return Spec(name, {key: value for key, value in options.items() if value is not None})


def checked(source: Source) -> Source:
    """The source itself if its arrays obey the contract, else an error that says what does not."""
    for name in ("train", "test"):
        check_split(source.split(name), len(source.classes), f"source {source.spec}: {name} split")
    if source.train.shape != source.test.shape:
        raise ClbenchError(
            f"source {source.spec}: train samples are {source.train.shape} and "
            f"test samples {source.test.shape}; both must have one shape"
        )
    if source.train.other.keys() != source.test.other.keys():
        raise ClbenchError(
            f"source {source.spec}: further labellings are {listing(source.train.other)} for train "
            f"and {listing(source.test.other)} for test; both must have the same"
        )
    return source


def check_split(split: Split, n_classes: int, where: str) -> None:
    """Raise an error that begins with `where` unless the arrays obey the contract of a split."""
    if (str(split.x.dtype), split.x.ndim) not in (("uint8", 4), ("float32", 2)):
        raise ClbenchError(
            f"{where} holds {split.x.dtype} {split.x.shape}; "
            "need uint8 [N, C, H, W] or float32 [N, d]"
        )
    for name, labels in (("labels", split.y), *split.other.items()):
        if labels.dtype != np.int64 or labels.shape != (len(split.x),):
            raise ClbenchError(
                f"{where} has {len(split.x)} samples and {name} {labels.dtype} {labels.shape}; "
                f"need int64 [{len(split.x)}]"
            )
    if len(split.y) and not 0 <= split.y.min() <= split.y.max() < n_classes:
        raise ClbenchError(
            f"{where} has labels {split.y.min()} to {split.y.max()} for {n_classes} classes"
        )


def open_source(spec: Spec) -> Source:
    """Open a source by its spec; the plugin is found through `clbench.sources`."""
    from clbench.plugin import call, load

    return checked(call("source", spec.name, load("sources", spec.name), spec.options))
