"""A source with a backdoor: a patch in the corner of some training images, and a wrong label."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from clbench.errors import ClbenchError
from clbench.seeds import derive
from clbench.source.base import AnyArray, IntArray, Source, Split, open_source
from clbench.source.blocks import blocks_of, check_images, everything
from clbench.source.contents import Contents, Pending
from clbench.source.mislabelled import BAD, CLEAN
from clbench.source.store import Key, stored
from clbench.spec import Spec, Value, parse_spec

POISONER = 1  # part of every store's key: raise it when the same options give other pixels


def poisoned(
    source: str, share: float = 0.05, target: int = 0, size: int = 2, seed: int = 0
) -> Source:
    """A share of the training images gets a white square and the label `target`.

    The attack of BadNets (Gu et al. 2017, arXiv:1708.06733): `size` pixels in the lower right
    corner. Images of the target class are not chosen. After the test samples come copies of those
    of other classes with the square and their right labels: a model without the backdoor tells
    them as well. The further labellings say which samples are `bad` (1) and what their `clean`
    labels are.

    Raises:
        ClbenchError: an option is out of range, no image would be chosen, or there are vectors.
    """
    base = open_source(parse_spec(source))
    check_images(base, "poisoned")
    _check(base, share, target, size, seed)
    able = np.flatnonzero(base.train.y != target)
    order = np.random.default_rng(derive(seed, "poisoned")).permutation(able)
    chosen = np.sort(order[: round(share * len(base.train))])
    if not len(chosen):
        raise ClbenchError(f"poisoned: share={share} of the samples is none; raise it")
    options: dict[str, Value] = {"share": share, "target": target, "size": size, "seed": seed}
    key: Key = {"source": f"poisoned {base.fingerprint}", "poisoner": POISONER, **options}
    contents = partial(_contents, base, chosen, target, size)
    return stored(Spec("poisoned", {"source": str(base.spec), **options}), key, contents)


def _check(source: Source, share: object, target: object, size: object, seed: object) -> None:
    numbers = (
        ("target", target, 0, len(source.classes) - 1),
        ("size", size, 1, min(source.train.shape[1:])),
        ("seed", seed, 0, (1 << 63) - 1),
    )
    for name, value, low, high in numbers:
        if type(value) is not int or not low <= value <= high:
            raise ClbenchError(
                f"poisoned: {name} must be a whole number from {low} to {high}; got {value}"
            )
    if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share < 1:
        raise ClbenchError(f"poisoned: share must be above 0 and below 1; got {share}")


def _contents(source: Source, chosen: IntArray, target: int, size: int) -> Contents:
    others = np.flatnonzero(source.test.y != target).astype(np.int64)
    bad = np.isin(everything(source.train), chosen)
    train = Pending(len(source.train), _train(source.train, bad, target, size))
    return Contents(
        source.classes,
        train,
        Pending(len(source.test) + len(others), _test(source.test, others, size)),
    )


def _train(split: Split, bad: np.ndarray, target: int, size: int) -> Iterator[Split]:
    start = 0
    for block in blocks_of(split, everything(split)):
        here = bad[start : (start := start + len(block))]
        x = np.where(here[:, None, None, None], patched(block.x, size), block.x)
        yield _marked(block, x, np.where(here, target, block.y), here)


def _test(split: Split, others: IntArray, size: int) -> Iterator[Split]:
    for block in blocks_of(split, everything(split)):
        yield _marked(block, block.x, block.y, np.zeros(len(block)))
    for block in blocks_of(split, others):
        yield _marked(block, patched(block.x, size), block.y, np.ones(len(block)))


def patched(x: AnyArray, size: int) -> AnyArray:
    """Images [n, C, H, W] with a white square of `size` pixels in the lower right corner."""
    marked = x.copy()
    marked[..., -size:, -size:] = np.iinfo(np.uint8).max
    return marked


def _marked(split: Split, x: AnyArray, labels: IntArray, bad: np.ndarray) -> Split:
    others = {**split.other, BAD: bad.astype(np.int64), CLEAN: split.y}
    return Split(x, labels.astype(np.int64), others)
