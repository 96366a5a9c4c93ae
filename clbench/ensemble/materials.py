"""What attributions of a stream are made of: stores of trained models, and samples."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from clbench.ensemble.attribution import Attribution, By, by_gradients, in_closed_form, regressed
from clbench.ensemble.job import Job, Room, job_of
from clbench.ensemble.members import plan
from clbench.ensemble.recipe import Recipe, recipe_of
from clbench.ensemble.retrained import Retrained, check_masks, check_originals, retrained
from clbench.ensemble.starting import Row
from clbench.ensemble.store import Store
from clbench.ensemble.trak import check_trak
from clbench.errors import ClbenchError
from clbench.model.network import Network
from clbench.opening import Opened
from clbench.options import Options, tree
from clbench.settings import Precision
from clbench.spec import merged


@dataclass(frozen=True)
class Wanted:
    """What is asked for on the command line.

    Attributes:
        by: names of attributions.
        masks: the store of models of random subsets.
        dimensions: of TRAK's projection.
        damping: of TRAK's kernel, a share of its mean diagonal.
        ridge: of `exact`; None: that of the masks' ridge heads, or one that is chosen.
    """

    by: tuple[By, ...]
    masks: Path
    dimensions: int
    damping: float
    ridge: float | None


class Materials:
    """What attributions of a stream are made of.

    Raises:
        ClbenchError: the recipe is wrong, or the masks are of something else.
    """

    def __init__(self, opened: Opened, wanted: Wanted, options: Options) -> None:
        self.opened, self._wanted, self._options = opened, wanted, options
        self._recipe = _recipe(opened, options)
        self.masks = Store(wanted.masks)
        check_masks(self.masks, opened.stream, opened.source, self._recipe)

    def check(self, by: By) -> None:
        """Refuse an attribution that cannot be made.

        Raises:
            ClbenchError: saying why.
        """
        ridge = self._wanted.ridge
        if by == "exact" and ridge is not None and not ridge > 0:
            raise ClbenchError(f"--ridge is {ridge:g}; it must be above 0")
        if by == "trak":
            samples = len(self._job.train.asked)
            check_trak(self.models, samples, self._wanted.dimensions, self._wanted.damping)

    def made(self, by: By) -> Attribution:
        """The attribution, ready for queries."""
        if by == "trak":
            return by_gradients(
                self._job, self.models, self._wanted.dimensions, self._wanted.damping
            )
        if by == "exact":
            return in_closed_form(self._job, self._ridge)
        return regressed(by, self.found)

    def identity(self, by: By) -> dict[str, Any]:
        """What tells a store of the attribution from others."""
        masks = {"masks": self.masks.spec.fingerprint, "models": len(self.found.masks)}
        return {"attribution": by, **masks, **self._settings(by)}

    def fitted(self, by: By) -> int:
        """Models that the attribution is of; an exact one needs none."""
        counts = {"trak": len(self.models) if by == "trak" else 0, "exact": 0}
        return counts.get(by, int((~self.found.held).sum()))

    @cached_property
    def found(self) -> Retrained:
        """The models of random subsets."""
        return retrained(self.masks)

    @cached_property
    def models(self) -> list[Network]:
        """Those that the store of originals has."""
        store = self._originals
        space = Room(self._job).space
        networks = []
        for index in np.flatnonzero(store.completed):
            with torch.random.fork_rng(devices=[]):
                network = Network(self._recipe.backbone, space)
            network.load_state_dict(Row(store, int(index)).weights(space.device))
            networks.append(network.eval())
        return networks

    @cached_property
    def _originals(self) -> Store:
        if self._options.originals is None:
            raise ClbenchError(
                "trak takes gradients of trained models: give them as --originals STORE, of "
                f"clbench ensemble {self.opened.stream.name} --kind originals --count 10"
            )
        store = Store(self._options.originals)
        check_originals(store, self.opened.stream, self.opened.source, self._recipe)
        return store

    @cached_property
    def _job(self) -> Job:
        stream, source = self.opened.stream, self.opened.source
        learned = plan("originals", stream, source, 1)
        return job_of(learned, stream, source, self._recipe, self._options.device)

    @property
    def _ridge(self) -> float | None:
        ridge: float | None = self.masks.spec.identity.get("ridge")
        return ridge if self._wanted.ridge is None else self._wanted.ridge

    def _settings(self, by: By) -> dict[str, Any]:
        if by == "exact":
            return {"ridge": self._ridge}
        if by != "trak":
            return {}
        return {
            "originals": self._originals.spec.fingerprint,
            "trained": len(self.models),
            "dimensions": self._wanted.dimensions,
            "damping": self._wanted.damping,
        }


def _recipe(opened: Opened, options: Options) -> Recipe:
    hyperparameters = merged(opened.recipe, tree(options.recipe, "--recipe"))
    precision: Precision = "bfloat16" if options.bf16 else "float32"
    return recipe_of(hyperparameters, opened.stream.protocol, precision)
