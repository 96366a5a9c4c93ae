"""Models of random subsets, as attributions are fitted to them and held against them."""

from dataclasses import dataclass

import numpy as np

from clbench.ensemble.datamodels import HELD_OUT, BoolArray, FloatArray
from clbench.ensemble.lds import FEWEST
from clbench.ensemble.making import check_identity
from clbench.ensemble.members import plan
from clbench.ensemble.recipe import Recipe
from clbench.ensemble.store import Store
from clbench.errors import ClbenchError
from clbench.source.base import Source
from clbench.stream import Stream

LEAST = FEWEST * HELD_OUT


@dataclass(frozen=True)
class Retrained:
    """What models know and how they answer.

    Attributes:
        masks: [K, n] bool, which of the n training samples each had.
        margins: [K, m] of the queries: the training samples, then the test samples.
    """

    masks: BoolArray
    margins: FloatArray

    @property
    def held(self) -> BoolArray:
        """[K], the models that no attribution is fitted to: every fifth."""
        held: BoolArray = np.arange(len(self.masks)) % HELD_OUT == HELD_OUT - 1
        return held


def check_masks(store: Store, stream: Stream, source: Source, recipe: Recipe) -> None:
    """Refuse a store that is not of models of random subsets of what a stream learns first.

    Their share and their number are as they are; ridge heads have no recipe.

    Raises:
        ClbenchError: it is of another kind, stream, source or recipe, or has too few models.
    """
    _check_kind(store, "masks")
    found = store.spec.identity
    own = {name: found[name] for name in ("subsets", "ridge") if name in found}
    wanted = plan("originals", stream, source, 1).identity_with(recipe) | {"kind": "masks"}
    if "ridge" in own:
        del wanted["recipe"]
    check_identity(store, wanted | own)
    if (count := int(store.completed.sum())) < LEAST:
        raise ClbenchError(
            f"{store.path} has {count} models; {LEAST} or more are needed, of which every fifth is "
            f"held out: clbench ensemble {stream.name} --kind masks --count {LEAST} or more"
        )


def check_originals(store: Store, stream: Stream, source: Source, recipe: Recipe) -> None:
    """Refuse a store that has no models trained on all that a stream learns first.

    Raises:
        ClbenchError: it is of another kind, stream, source or recipe, or has no model yet.
    """
    _check_kind(store, "originals")
    check_identity(store, plan("originals", stream, source, 1).identity_with(recipe))
    if not store.completed.any():
        raise ClbenchError(
            f"{store.path} has no model yet: clbench ensemble {stream.name} --count 10"
        )


def retrained(store: Store) -> Retrained:
    """The complete models of a store of masks."""
    rows = np.flatnonzero(store.completed)
    margins = [store.read(f"margins.{split}")[rows] for split in ("train", "test")]
    return Retrained(np.array(store.read("mask")[rows]), np.concatenate(margins, axis=1))


def _check_kind(store: Store, kind: str) -> None:
    if (found := store.spec.identity.get("kind")) != kind:
        raise ClbenchError(
            f"{store.path} is a store of {found or 'something else'}, and one of {kind} is needed: "
            f"clbench ensemble STREAM --kind {kind}"
        )
