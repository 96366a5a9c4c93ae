"""Small ensembles: digits or vectors, a few members, networks of some hundred weights."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from clbench.ensemble.job import Job, Room, job_of
from clbench.ensemble.loop import PlainLoop
from clbench.ensemble.members import Member, Plan, plan
from clbench.ensemble.recipe import recipe_of
from clbench.ensemble.store import Store
from clbench.ensemble.trainer import Where, train_ensemble
from clbench.source.base import Source, Split
from clbench.source.digits import digits
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream
from clbench_scenarios.class_incremental import class_incremental
from forgetful import request

HEAD = {"backbone": "identity", "training": {"lr": 0.1, "batch_size": 8}}
MLP = {"backbone": "mlp,width=8,depth=2", "training": {"lr": 0.1, "batch_size": 8}}
CONVNET = {"backbone": "convnet,width=8,depth=2", "training": {"lr": 0.05, "batch_size": 16}}


@cache
def vectors() -> Source:
    """Four classes of ten vectors."""
    return synthetic(classes=4, per_class=10, test_per_class=5, dim=6)


@cache
def few_digits() -> Source:
    """The first hundred digits."""
    whole = digits()
    train = Split(whole.train.x[:100], whole.train.y[:100])
    return Source(whole.spec, train, Split(whole.test.x[:50], whole.test.y[:50]), whole.classes)


def stream_of(source: Source, **protocol: Any) -> Stream:
    """All classes in one learn update."""
    rules = Protocol(**{"epochs": 2, **protocol})
    return class_incremental(source, "small", rules, increment=len(source.classes))


def forgetting(forget: range = range(6), **protocol: Any) -> Stream:
    """Learn all vectors, then forget some."""
    return request(vectors(), forget, **{"epochs": 2, **protocol})


def job(found: Plan, stream: Stream, source: Source, recipe: Mapping[str, Any] = MLP) -> Job:
    return job_of(found, stream, source, recipe_of(recipe, stream.protocol), threads=1)


def room(stream: Stream, source: Source, recipe: Mapping[str, Any] = MLP) -> Room:
    return Room(job(plan("originals", stream, source, 1), stream, source, recipe))


def plain(where: Room, member: Member) -> dict[str, Tensor]:
    return PlainLoop(where, member).finish().state_dict()


def trained(
    path: Path,
    kind: str = "originals",
    count: int = 4,
    stream: Stream | None = None,
    recipe: Mapping[str, Any] = MLP,
    **where: Any,
) -> Store:
    """A store of members on vectors."""
    stream = stream or forgetting()
    found = plan(kind, stream, vectors(), count)
    wanted = Where(**{"program": "bmm", **where})
    return train_ensemble(found, job(found, stream, vectors(), recipe), {}, path, wanted)


def contents(store: Store) -> dict[str, np.ndarray]:
    """All that the rows hold but the seconds."""
    return {name: np.array(store.read(name)) for name in store.spec.fields if name != "seconds"}


def assert_same(one: Store, two: Store, **tolerances: float) -> None:
    """Whether two stores hold the same to float tolerance."""
    first, second = contents(one), contents(two)
    assert first.keys() == second.keys()
    for name in first:
        np.testing.assert_allclose(first[name], second[name], err_msg=name, **tolerances)
