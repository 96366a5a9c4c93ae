"""The instance test: each image is a class of its own, asked by altered copies of it."""

from collections.abc import Iterator
from functools import partial

import numpy as np

from clbench.errors import ClbenchError, unknown
from clbench.seeds import derive
from clbench.source.alterations import ALTERATIONS
from clbench.source.base import IntArray, Source, Split, open_source
from clbench.source.blocks import check_images, rows_of
from clbench.source.contents import Contents, Pending
from clbench.source.store import Key, stored
from clbench.spec import Spec, Value, parse_spec

CATEGORY = "category"
ALTERER = 1  # part of every store's key: raise it when the same options give other pixels
MOST = {"noise": 1.0, "occlude": 0.5}  # all values; a disc as high as the image


def instances(
    source: str,
    classes: int = 1,
    per_class: int = 20,
    split: str = "test",
    alter: str = "none",
    amount: float = 0.25,
    copies: int = 1,
    seed: int = 0,
) -> Source:
    """`per_class` images of each of `classes` classes, every one to be told from the others.

    The instance test of Kowadlo et al. 2022 (arXiv:2209.07863): is it this very image, or another
    of its class? Class i of this source is one image, which is its training sample; its test
    samples are `copies` of it. `alter` says how they differ: `none`, `noise` (a share `amount` of
    the values is drawn anew, uniformly) or `occlude` (a black disc at a random place within, of
    radius `amount` times the height), both as in the authors' code for their earlier test
    (arXiv:1909.10340). The paper asks among 20 images of one class and averages over many draws;
    a draw is a `seed`. Images come from `split`, by default one that nothing was trained on; the
    further labelling `category` is the class that they had.

    Raises:
        ClbenchError: an option is wrong, a class has too few images, or vectors are to be altered.
    """
    base = open_source(parse_spec(source))
    numbers = {"classes": classes, "per_class": per_class, "copies": copies}
    for name, value, low in (*((name, n, 1) for name, n in numbers.items()), ("seed", seed, 0)):
        if type(value) is not int or value < low:
            raise ClbenchError(
                f"instances: {name} must be a whole number, {low} or more; got {value}"
            )
    if split not in ("train", "test"):
        raise unknown("split", str(split), ("train", "test"))
    _check_alteration(base, alter, amount, copies)
    options: dict[str, Value] = {**numbers, "split": split, "alter": alter, "seed": seed}
    options |= {"amount": amount} if alter != "none" else {}
    key: Key = {"source": f"instances {base.fingerprint}", "alterer": ALTERER, **options}
    originals = _drawn(base, split, classes, per_class, seed)
    contents = partial(_contents, originals, alter, amount, copies, seed)
    return stored(Spec("instances", {"source": str(base.spec), **options}), key, contents)


def _check_alteration(base: Source, alter: str, amount: float, copies: int) -> None:
    if alter not in ALTERATIONS:
        raise unknown("alteration", str(alter), ALTERATIONS)
    if alter == "none":
        if copies > 1:
            raise ClbenchError(
                f"instances: unaltered copies are all the same; copies must be 1, not {copies}"
            )
        return
    check_images(base, f"instances alter={alter}")
    if isinstance(amount, bool | str) or not 0 < amount <= MOST[alter]:
        raise ClbenchError(
            f"instances: amount of alter={alter} must be above 0 and at most {MOST[alter]:g}; "
            f"got {amount}"
        )


def _drawn(source: Source, split: str, classes: int, per_class: int, seed: int) -> Split:
    """The images, those of one class after those of another, each with a label of its own."""
    if classes > len(source.classes):
        raise ClbenchError(
            f"instances: {classes} classes are asked for; {source.spec} has {len(source.classes)}"
        )
    generator, given = np.random.default_rng(derive(seed, "instances")), source.split(split)
    drawn: list[IntArray] = []
    for label in generator.permutation(len(source.classes))[:classes].tolist():
        ids = np.flatnonzero(given.y == label)
        if len(ids) < per_class:
            raise ClbenchError(
                f"instances: class {source.classes[label]} of {source.spec} has {len(ids)} "
                f"{split} samples; lower per_class={per_class}"
            )
        drawn.append(generator.permutation(ids)[:per_class])
    images = rows_of(given, np.concatenate(drawn))
    return Split(images.x, np.arange(len(images), dtype=np.int64), {CATEGORY: images.y})


def _contents(originals: Split, alter: str, amount: float, copies: int, seed: int) -> Contents:
    names = tuple(f"image {i + 1}" for i in range(len(originals)))
    asked = Pending(copies * len(originals), _copies(originals, alter, amount, copies, seed))
    return Contents(names, Pending(len(originals), [originals]), asked)


def _copies(originals: Split, alter: str, amount: float, copies: int, seed: int) -> Iterator[Split]:
    """One altered copy of every image after the other; more leave the earlier ones as they are."""
    for k in range(copies):
        generator = np.random.default_rng(derive(seed, alter, k))
        x = ALTERATIONS[alter](originals.x, generator, amount)
        yield Split(x, originals.y, originals.other)
