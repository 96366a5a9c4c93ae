"""What a source of samples is: two splits of arrays, class names and a fingerprint."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.spec import Spec

IntArray = npt.NDArray[np.int64]
AnyArray = npt.NDArray[np.uint8] | npt.NDArray[np.float32]


@dataclass(frozen=True)
class Split:
    """Samples and their labels.

    `x` is uint8 images [N, C, H, W] or float32 vectors [N, d], resident or memory-mapped;
    `y` int64 labels [N]; `other` further labellings of the same samples, such as coarse ones.
    """

    x: AnyArray
    y: IntArray
    other: Mapping[str, IntArray] = field(default_factory=dict)

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

    def split(self, name: str) -> Split:
        """The split called `train` or `test`."""
        return {"train": self.train, "test": self.test}[name]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over samples, labels and class names."""
        digest = hashlib.sha256("\0".join(self.classes).encode())
        for split in (self.train, self.test):
            for array in (split.x, split.y, *(split.other[k] for k in sorted(split.other))):
                update_digest(digest, array)
        return digest.hexdigest()


def update_digest(digest: "hashlib._Hash", array: npt.NDArray[np.generic]) -> None:
    """Feed an array's dtype, shape and bytes to a digest, a block at a time."""
    digest.update(f"{array.dtype.str}{array.shape}".encode())
    rows = max(1, (1 << 24) // max(1, array[:1].nbytes))
    for start in range(0, len(array), rows):
        digest.update(np.ascontiguousarray(array[start : start + rows]).data)


def checked(source: Source) -> Source:
    """The source itself if its arrays obey the contract, else an error that says what does not."""
    for name in ("train", "test"):
        split, where = source.split(name), f"source {source.spec}: {name} split"
        if len(split.x) != len(split.y):
            raise ClbenchError(f"{where} has {len(split.x)} samples and {len(split.y)} labels")
        if (split.x.dtype, split.x.ndim) not in ((np.uint8, 4), (np.float32, 2)):
            raise ClbenchError(
                f"{where} holds {split.x.dtype} {split.x.shape}; "
                "need uint8 [N, C, H, W] or float32 [N, d]"
            )
        if len(split.y) and not 0 <= split.y.min() <= split.y.max() < len(source.classes):
            raise ClbenchError(
                f"{where} has labels {split.y.min()} to {split.y.max()} "
                f"for {len(source.classes)} classes"
            )
    return source


def open_source(spec: Spec) -> Source:
    """Open a source by its spec; the plugin is found through `clbench.sources`."""
    from clbench.plugin import call, load

    return checked(call("source", spec.name, load("sources", spec.name), spec.options))
