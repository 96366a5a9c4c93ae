"""Runs that take trained models from stores, where training them again would give the same.

Of a method whose card says original="plain", the first learn update is that of every such method:
its model is an original. Where it also has the need `retraining`, a forget update is training anew
on what is retained: its model is an oracle.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench.cost import FlopMeter
from clbench.ensemble.making import check_identity
from clbench.ensemble.members import Kind, plan
from clbench.ensemble.recipe import Recipe, recipe_of
from clbench.ensemble.rows import WEIGHTS
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.record import StoreRecord
from clbench.settings import RECIPE, Settings
from clbench.source.base import Source
from clbench.stream import Stream


@dataclass(frozen=True)
class Row:
    """A trained model in a store."""

    store: Store
    index: int

    def put(self, method: Method, meter: FlopMeter) -> None:
        """Give the model to a method, and what training it cost to the meter."""
        method.model.load_state_dict(self.weights(method.model.space.device))
        meter.total += self._number("flops")
        meter.steps += self._number("steps")
        meter.samples += self._number("samples")

    @property
    def seconds(self) -> float:
        """Its share of the time that it took to train it, together with others."""
        return float(self.store.read("seconds")[self.index])

    def weights(self, device: torch.device) -> dict[str, Tensor]:
        """By the names of a network's state."""
        return {
            name.removeprefix(WEIGHTS): torch.from_numpy(np.array(array)).to(device)
            for name, array in self.arrays().items()
        }

    def arrays(self) -> dict[str, Any]:
        """The fields of the row that are weights."""
        names = sorted(name for name in self.store.spec.fields if name.startswith(WEIGHTS))
        return {name: self.store.read(name)[self.index] for name in names}

    def _number(self, name: str) -> int:
        return int(self.store.read(name)[self.index])


@dataclass(frozen=True)
class Starts:
    """The models that a run takes from stores, by the update that would train them."""

    rows: Mapping[int, Row] = field(default_factory=dict)
    kinds: Mapping[Kind, Store] = field(default_factory=dict)

    def at(self, version: int) -> Row | None:
        """The trained model of a version, if a store has it."""
        return self.rows.get(version - 1)

    @property
    def records(self) -> tuple[StoreRecord, ...]:
        """What `run.json` says: of which stores, and what their rows held."""
        return tuple(
            StoreRecord(kind=kind, fingerprint=store.spec.fingerprint, rows=self._digest(store))
            for kind, store in self.kinds.items()
        )

    def _digest(self, store: Store) -> str:
        digest = hashlib.sha256()
        for update, row in sorted(self.rows.items()):
            for name, array in row.arrays().items() if row.store is store else ():
                digest.update(f"{update} {name} {array.dtype.str}{array.shape}".encode())
                digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()


def starts_of(
    method: Method, stream: Stream, source: Source, seed: int, settings: Settings
) -> Starts:
    """What a run of a method takes from the stores of its settings; nothing if there are none.

    Raises:
        ClbenchError: a store is of another stream, source or recipe, lacks the seed, or the run is
            to be probed inside of updates, which are not played.
    """
    card = method.declared()
    asked: dict[Kind, Path] = {}
    if settings.originals and card.original == "plain":
        asked["originals"] = settings.originals
    if settings.oracles and card.original == "plain" and "retraining" in card.needs:
        asked["oracles"] = settings.oracles
    if asked and settings.probe_every is not None:
        raise ClbenchError(
            "--probe-every asks inside of updates, and models from a store come trained; leave out "
            "either --probe-every or --" + next(iter(asked))
        )
    stores = {kind: Store(path) for kind, path in asked.items()}
    rows: dict[int, Row] = {}
    for kind, store in stores.items():
        recipe = _recipe(method, stream, settings)
        rows |= _rows(kind, store, stream, source, recipe, seed)
    return Starts(rows, stores)


def _recipe(method: Method, stream: Stream, settings: Settings) -> Recipe:
    given = {name: getattr(method, name, None) for name in RECIPE}
    if None in given.values():
        raise ClbenchError(
            f'the card of {method.card.name} says original="plain", which needs hyperparameters '
            "backbone and training; add them, or take that out of the card"
        )
    return recipe_of(given, stream.protocol, settings.precision)


def _rows(
    kind: Kind, store: Store, stream: Stream, source: Source, recipe: Recipe, seed: int
) -> dict[int, Row]:
    """The row of a seed for each update that the store has models of."""
    wanted = plan(kind, stream, source, 1)
    check_identity(store, wanted.identity_with(recipe))
    mine = (np.array(store.read("seed")) == seed) & store.completed
    updates = np.array(store.read("update"))
    found = {int(updates[k]): Row(store, int(k)) for k in np.flatnonzero(mine)}
    if missing := {member.update for member in wanted.members} - found.keys():
        raise ClbenchError(
            f"{store.path} lacks the {kind} of seed {seed} (of update {min(missing) + 1}); train "
            f"them: clbench ensemble {stream.name} --kind {kind} --count {seed + 1} "
            f"--out {store.path}"
        )
    return found
