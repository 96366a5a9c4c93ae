"""Streams of replacement: a newer version of the model takes over, and is judged by the older."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray, Source
from clbench.stream import EvalSet, Protocol, Stream, Update, labels_digest
from clbench_scenarios.building import check_share, check_whole, drawing, ids_of
from clbench_scenarios.class_incremental import class_order


def replacement(
    source: Source,
    name: str,
    protocol: Protocol,
    *,
    shares: list[float],
    classes: list[int] | None = None,
    order: str | list[int] = "source",
    order_seed: int = 0,
    share_seed: int = 0,
) -> Stream:
    """Train a version on a share of the samples, then replace it by versions trained anew.

    Version i is trained on `shares[i - 1]` of the training samples of each of the first
    `classes[i - 1]` classes (default: all), at least one sample a class (Yan et al. 2021,
    arXiv:2011.09161). `[0.5, 1.0]` is an update with more data, `[1.0, 1.0]` one in which the
    training seed alone differs, which shows how many flips are noise. What is drawn of a class
    depends on `share_seed` and the class alone, and an older version's samples are among a newer
    one's. Another backbone is no matter of the stream: it is a hyperparameter (`backbones`).

    Test samples of the classes that a version brings are a set that is asked from then on.

    Raises:
        ClbenchError: there are fewer than two versions, shares or classes become fewer or are out
            of range, a class has no samples, or the protocol is of another setting, gives task ids
            or is online.
    """
    _check_protocol(name, protocol)
    _check_shares(name, shares)
    chosen = class_order(order, order_seed, len(source.classes))
    counts = [len(chosen)] * len(shares) if classes is None else classes
    _check_classes(name, counts, len(shares), len(chosen))
    used = chosen[: counts[-1]]
    _check_samples(source, name, used)
    new = [np.arange(a, b, dtype=np.int64) for a, b in pairwise([0, *counts])]
    pools = [_arranged(source.train.y, label, share_seed) for label in used]
    samples = [_drawn(pools[:n], share) for n, share in zip(counts, shares, strict=True)]
    return Stream(
        name=name,
        source=source.spec,
        class_order=used,
        updates=tuple(
            Update(i, "replace" if i else "learn", ids, fresh)
            for i, (ids, fresh) in enumerate(zip(samples, new, strict=True))
        ),
        evals=tuple(
            EvalSet(f"group {i + 1}", "test", ids_of(source.test.y, used[fresh]), i + 1, fresh)
            for i, fresh in enumerate(new)
            if len(fresh)
        ),
        protocol=protocol,
        labels=labels_digest(source),
    )


def _arranged(labels: IntArray, label: int, seed: int) -> IntArray:
    """The training samples of a class in the order in which versions get to see them."""
    ids = ids_of(labels, np.array([label]))
    return drawing(seed, "share", int(label)).permutation(ids)


def _drawn(pools: Sequence[IntArray], share: float) -> IntArray:
    """The first share of each class, ascending."""
    return np.sort(np.concatenate([ids[: max(1, round(share * len(ids)))] for ids in pools]))


def _check_protocol(name: str, protocol: Protocol) -> None:
    if protocol.setting != "class-incremental" or protocol.task_ids or protocol.online:
        raise ClbenchError(
            f"{name}: a newer version is trained on all classes at once, and on samples that the "
            'older one has seen; its protocol needs setting="class-incremental", task_ids=false '
            "and online=false"
        )


def _check_shares(name: str, shares: list[float]) -> None:
    if not isinstance(shares, list) or len(shares) < 2:
        raise ClbenchError(
            f"{name}: shares must be a list of two or more, a share a version, such as [0.5, 1.0]; "
            f"got {shares!r}"
        )
    for share in shares:
        check_share(name, "shares", share, 0, 1)
    if shares[0] == 0 or any(a > b for a, b in pairwise(shares)):
        raise ClbenchError(
            f"{name}: shares must be above 0 and not fall from a version to the next; got {shares}"
        )


def _check_classes(name: str, counts: list[int], versions: int, most: int) -> None:
    if not isinstance(counts, list) or len(counts) != versions:
        raise ClbenchError(
            f"{name}: classes must be a list as long as shares ({versions}), how many each version "
            f"knows; got {counts!r}"
        )
    for count in counts:
        check_whole(name, "classes", count, 1)
    if counts[-1] > most or any(a > b for a, b in pairwise(counts)):
        raise ClbenchError(
            f"{name}: classes must not fall from a version to the next, and be {most} at most; got "
            f"{counts}"
        )


def _check_samples(source: Source, name: str, classes: IntArray) -> None:
    for split, purpose in (("train", "learn"), ("test", "be asked")):
        found = np.bincount(source.split(split).y, minlength=len(source.classes))[classes]
        if not found.all():
            lacking = source.classes[classes[int(np.argmin(found))]]
            raise ClbenchError(f"{name}: class {lacking} has no samples to {purpose}")
