"""Which models an ensemble has: originals, oracles, or models of random subsets."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from clbench.ensemble.datamodels import random_subsets
from clbench.ensemble.recipe import Recipe
from clbench.errors import ClbenchError, unknown
from clbench.source.base import IntArray, Source, update_digest
from clbench.stream import Stream, Update

Kind = Literal["originals", "oracles", "masks"]


@dataclass(frozen=True)
class Member:
    """A model to be trained: on train ids [n], with the randomness of an update of a run.

    Its weights are those that `finetune` has after this update as the first that it plays, in a run
    of this seed: the network is drawn by `derive(seed, "build")`, its head by
    `derive(seed, "update", update + 1)`, and batches come by `derive(seed, "view", update)`.
    """

    seed: int
    ids: IntArray
    update: int = 0


@dataclass(frozen=True)
class Plan:
    """The members of an ensemble, and what tells it from others.

    `pool` are the train ids [n] that members are drawn from; `identity` decides whether a store is
    of this ensemble. How many members there are does not count, so that more can be added.
    """

    kind: Kind
    members: tuple[Member, ...]
    pool: IntArray
    n_classes: int
    identity: dict[str, Any]

    @property
    def keep(self) -> Literal["weights", "mask"]:
        """What a store has of a member beside its margins: of very many, weights are too much."""
        return "mask" if self.kind == "masks" else "weights"

    def identity_with(self, recipe: Recipe) -> dict[str, Any]:
        """What a store of members that are trained by a recipe says that it is of."""
        return {"kind": self.kind, **self.identity, "recipe": recipe.described()}


def plan(
    kind: str, stream: Stream, source: Source, count: int, share: float = 0.5, seed: int = 0
) -> Plan:
    """The first `count` members of a kind.

    - `originals`: seed i on all samples of the first update, which learns;
    - `oracles`: seed i on what is retained, for each forget update that asks for something;
    - `masks`: seed i on subset i of the first update's samples, a `share` of them drawn by `seed`.

    Raises:
        ClbenchError: there is no such kind, or the stream does not learn first or, for oracles,
            does not forget.
    """
    if kind not in get_args(Kind):
        raise unknown("kind of ensemble", kind, get_args(Kind))
    if not stream.updates or stream.updates[0].kind != "learn":
        raise ClbenchError(
            f"{stream.name} does not begin with a learn update; choose one that does"
        )
    if kind == "oracles":
        return _oracles(stream, source, count)
    first = stream.updates[0].samples
    identity: dict[str, Any] = {
        "learned": _learned(stream, source),
        "source": source.fingerprint,
    }
    if kind == "originals":
        members = tuple(Member(i, first) for i in range(count))
        return Plan("originals", members, first, stream.n_classes(1), identity)
    masks = random_subsets(len(first), count, share, seed)
    members = tuple(Member(i, first[mask]) for i, mask in enumerate(masks))
    subsets = {"share": share, "seed": seed}
    return Plan("masks", members, first, stream.n_classes(1), {**identity, "subsets": subsets})


def _oracles(stream: Stream, source: Source, count: int) -> Plan:
    forgets = [u for u in stream.updates if u.kind == "forget" and len(u.samples)]
    if not forgets:
        raise ClbenchError(
            f"{stream.name} forgets no sample, so that nothing is trained anew without it; choose "
            "a stream of unlearning"
        )
    widths = {stream.n_classes(update.index + 1) for update in forgets}
    if len(widths) > 1:
        raise ClbenchError(
            f"{stream.name} learns classes between its forget updates; oracles are for streams "
            "that know all classes before the first of them"
        )
    members = tuple(
        Member(seed, retained_ids(stream, update), update.index)
        for seed in range(count)
        for update in forgets
    )
    learned = [update.samples for update in stream.updates if update.kind == "learn"]
    pool = np.unique(np.concatenate(learned))
    identity = {"stream": stream.fingerprint, "source": source.fingerprint}
    return Plan("oracles", members, pool, widths.pop(), identity)


def retained_ids(stream: Stream, update: Update) -> IntArray:
    """Train ids that a forget update leaves, in the order in which `retrain` is shown them."""
    if stream.protocol.retained == 1 and update.retained is not None:
        return update.retained
    return stream.retained(update.index + 1)


def _learned(stream: Stream, source: Source) -> str:
    """SHA-256 of what the first update teaches: ids and labels, and those that answers are for.

    What is forgotten later does not count: streams that differ in that alone share originals.
    """
    mapping = stream.label_map(len(source.classes))
    digest = hashlib.sha256(f"{stream.n_classes(1)}".encode())
    update_digest(digest, stream.updates[0].samples)
    for split in (source.train, source.test):
        update_digest(digest, mapping[split.y])
    return digest.hexdigest()
