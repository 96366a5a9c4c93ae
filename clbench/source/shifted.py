"""Transformed copies of a source, a domain each: permuted, rotated or corrupted.

A copy is a fixed function of the pixels and of the seed: it is drawn once and written down, so
that it is the same in every process, for every method and in both splits.
"""

from collections.abc import Callable, Iterator, Mapping
from functools import partial

import numpy as np

from clbench.errors import ClbenchError, unknown
from clbench.seeds import derive
from clbench.source.base import AnyArray, IntArray, Source, Split, open_source
from clbench.source.blocks import blocks_of, check_images, everything
from clbench.source.contents import Contents, Pending
from clbench.source.corruptions import CORRUPTIONS, corruption
from clbench.source.rotation import rotation
from clbench.source.store import Key, stored
from clbench.spec import Spec, Value, parse_spec

DOMAIN = "domain"
SHIFTER = 2  # part of every store's key: raise it when the same options give other pixels

Shift = Callable[[AnyArray, np.random.Generator], AnyArray]


def shifted(
    source: str,
    by: str,
    copies: int = 5,
    first: int = 0,
    step: float = 20.0,
    severity: int = 3,
    seed: int = 0,
) -> Source:
    """`copies` of every sample; the further labelling `domain` counts them from 0.

    `by` says what the k-th is, k = `first`, `first` + 1, ...: `permute` (the values of a sample in
    an order drawn for k, as in Permuted MNIST), `rotate` (images turned by k * `step` degrees, as
    in Rotated MNIST) or `corrupt` (by Gaussian noise, Gaussian blur, contrast, brightness, shot,
    impulse and speckle noise, in this order, at `severity` 1 to 5 of CIFAR-10-C, Hendrycks and
    Dietterich 2019, arXiv:1903.12261; see `corruptions.corruption`). k = 0 changes nothing.
    Copies stand one after the other, each in the order of the source.

    Raises:
        ClbenchError: an option is wrong, or vectors are to be rotated or corrupted.
    """
    base = open_source(parse_spec(source))
    for name, value, low in (("copies", copies, 1), ("first", first, 0), ("seed", seed, 0)):
        if type(value) is not int or value < low:
            raise ClbenchError(
                f"shifted: {name} must be a whole number, {low} or more; got {value}"
            )
    numbers = range(first, first + copies)
    shifts = {k: _shift(base, by, k, step, severity, seed) for k in numbers}

    def contents() -> Contents:
        return Contents(base.classes, *(_pending(base, shifts, s, seed) for s in ("train", "test")))

    options: dict[str, Value] = {"by": by, "copies": copies, "first": first, "seed": seed}
    options |= {"step": step} if by == "rotate" else {}
    options |= {"severity": severity} if by == "corrupt" else {}
    key: Key = {"source": f"shifted {base.fingerprint}", "shifter": SHIFTER, **options}
    return stored(Spec("shifted", {"source": str(base.spec), **options}), key, contents)


def _shift(source: Source, by: str, k: int, step: float, severity: int, seed: int) -> Shift:
    """What makes the k-th copy, drawn here, once, and not where it is used."""
    if by not in ("permute", "rotate", "corrupt"):
        raise unknown("shift", str(by), ("permute", "rotate", "corrupt"))
    if by != "permute":
        check_images(source, f"shifted by={by}")
    if by == "corrupt" and k > len(CORRUPTIONS):
        raise ClbenchError(
            f"shifted: there are {len(CORRUPTIONS)} corruptions; copy {k} would need more: lower "
            "copies"
        )
    if k == 0:
        return _same
    if by == "corrupt":
        return corruption(CORRUPTIONS[k - 1], severity)
    if by == "rotate":
        return partial(_without_draws, rotation(k * step, source.train.shape[1:]))
    size = int(np.prod(source.train.shape))
    order = np.random.default_rng(derive(seed, "permute", k)).permutation(size)
    return partial(_without_draws, partial(_reordered, order=order))


def _same(x: AnyArray, generator: np.random.Generator) -> AnyArray:
    return x


def _without_draws(
    turn: Callable[[AnyArray], AnyArray], x: AnyArray, generator: np.random.Generator
) -> AnyArray:
    return turn(x)


def _reordered(x: AnyArray, order: IntArray) -> AnyArray:
    """The values of each sample in one order; [N, ...] of any shape."""
    return x.reshape(len(x), len(order))[:, order].reshape(x.shape)


def _pending(source: Source, shifts: Mapping[int, Shift], name: str, seed: int) -> Pending:
    split = source.split(name)
    return Pending(len(shifts) * len(split), _blocks(split, shifts, name, seed))


def _blocks(split: Split, shifts: Mapping[int, Shift], name: str, seed: int) -> Iterator[Split]:
    for domain, (k, shift) in enumerate(shifts.items()):
        generator = np.random.default_rng(derive(seed, "shift", name, k))
        for block in blocks_of(split, everything(split)):
            here = np.full(len(block), domain, dtype=np.int64)
            yield Split(shift(block.x, generator), block.y, {**block.other, DOMAIN: here})
