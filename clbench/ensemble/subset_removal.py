"""Removal by regression datamodels: an ensemble on random subsets of what a network learns."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from clbench.augment import to_input
from clbench.ensemble.choose import Choice
from clbench.ensemble.datamodels import (
    choose_penalty,
    choose_share,
    lasso_datamodels,
    random_subsets,
    ridge_contrast,
)
from clbench.ensemble.job import Job, Part, Room
from clbench.ensemble.members import Member
from clbench.ensemble.programs import independent, possible
from clbench.ensemble.recipe import Recipe
from clbench.ensemble.rows import trained
from clbench.model.network import Network, evaluating, full_precision
from clbench.seeds import derive
from clbench.view import View

TOGETHER = 32  # members that are trained at a time; a fixed number, so that results are the same


@dataclass
class Ensemble:
    """Models of random subsets of one update.

    Attributes:
        weights: [K, ...] of each parameter.
        masks: [K, n] bool.
        ids: [n], of the samples that the columns of `masks` are about.
        gone: [n] bool, of these what is forgotten.
        penalty: of the regression.
    """

    weights: dict[str, Tensor]
    masks: Tensor
    ids: Tensor
    gone: Tensor
    penalty: float = 0.0

    def __len__(self) -> int:
        return len(self.masks)

    def answers(self, network: Network, x: Tensor) -> Tensor:
        """Logits [K, B, C] of all models, in float32."""
        with evaluating(network), full_precision(network):
            found = [functional_call(network, self._of(k), (x,)) for k in range(len(self))]
        return torch.stack(found)

    def _of(self, k: int) -> dict[str, Tensor]:
        return {name: whole[k] for name, whole in self.weights.items()}


class SubsetRemoval:
    """Datamodels of models that are trained on random subsets, by ridge or lasso regression.

    Each learning update has an ensemble of its own, which learns that update alone; the penalty is
    chosen for the logits of what is first forgotten. A ridge needs no regression for new inputs:
    its prediction is one combination of the models.
    """

    def __init__(
        self,
        network: Network,
        recipe: Recipe,
        by: Literal["ridge", "lasso"],
        models: int,
        share: float,
        penalty: float | None,
    ) -> None:
        self._space, self._recipe, self._by = network.space, recipe, by
        self._models, self._share, self._penalty = models, share, penalty
        self.ensembles: list[Ensemble] = []

    def learn(self, network: Network, view: View) -> None:
        """Train an ensemble on random subsets of the update; nothing is gone from here on."""
        for ensemble in self.ensembles:
            ensemble.gone = torch.zeros_like(ensemble.gone)
        found = [(batch.raw, batch.y, batch.ids) for batch in view.chunks()]
        if not found:
            return
        raw, y, ids = (torch.cat(parts).cpu() for parts in zip(*found, strict=True))
        seed = int(torch.randint(1 << 62, (), generator=view.generator))
        masks = random_subsets(len(ids), self._models, self._share, seed)
        room = self._room(raw, y, view)
        members = [
            Member(derive(seed, "member", k), mask.nonzero()[0]) for k, mask in enumerate(masks)
        ]
        states = [dict(state) for state in trained(room, members, _choice(room, members[0]))]
        weights = {name: torch.stack([s[name] for s in states]).detach() for name in states[0]}
        gone = torch.zeros(len(ids), dtype=torch.bool)
        self.ensembles.append(Ensemble(weights, torch.from_numpy(masks), ids, gone))

    def forget(self, network: Network, view: View) -> None:
        """Mark what is gone; the first time, choose penalties for its logits."""
        batches = [*view.chunks()]
        ids = torch.cat([batch.ids for batch in batches]).cpu()
        x = torch.cat([batch.x for batch in batches])
        for ensemble in self.ensembles:
            here = torch.isin(ensemble.ids, ids)
            if bool(here.any()) and not ensemble.penalty:
                ensemble.penalty = self._penalty or self._chosen(ensemble, network, x)
            ensemble.gone |= here

    def effect(self, network: Network, x: Tensor) -> Tensor:
        """The sum of the weights of what is gone, [B, C]."""
        total = torch.zeros(len(x), network.n_classes, device=x.device)
        for ensemble in self.ensembles:
            if bool(ensemble.gone.any()):
                found = self._effect(ensemble, ensemble.answers(network, x))
                total[:, : found.shape[1]] += found
        return total

    def state_dict(self) -> dict[str, Any]:
        """The ensembles by position."""
        return {str(i): vars(ensemble) for i, ensemble in enumerate(self.ensembles)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved ensembles."""
        ordered = sorted(state.items(), key=lambda item: int(item[0]))
        self.ensembles = [Ensemble(**dict(found)) for _, found in ordered]

    def _room(self, raw: Tensor, y: Tensor, view: View) -> Room:
        none = np.zeros(0, dtype=np.int64)
        part = Part(raw.numpy(), y.numpy(), none)
        recipe = replace(self._recipe, epochs=view.epochs(self._recipe.training))
        return Room(Job(recipe, view.n_classes, part, part, str(self._space.device)))

    def _chosen(self, ensemble: Ensemble, network: Network, x: Tensor) -> float:
        outputs = ensemble.answers(network, x).cpu().numpy()
        choose = choose_penalty if self._by == "ridge" else choose_share
        return choose(ensemble.masks.cpu().numpy(), outputs)

    def _effect(self, ensemble: Ensemble, answers: Tensor) -> Tensor:
        masks, gone = ensemble.masks.cpu().numpy(), ensemble.gone.cpu().numpy()
        if self._by == "ridge":
            contrast = torch.from_numpy(ridge_contrast(masks, gone, ensemble.penalty))
            found: Tensor = torch.tensordot(contrast.to(answers), answers, 1)
            return found
        fitted = lasso_datamodels(masks, answers.cpu().numpy(), ensemble.penalty)
        return torch.from_numpy(fitted.effect(gone)).to(answers)


def _choice(room: Room, member: Member) -> Choice:
    """Members together if the architecture allows it, decided without a clock.

    Not by `bmm`, which writes into what is there: torch has no formula for FLOPs of that, and an
    update is to be charged what it cost.
    """
    with torch.random.fork_rng(devices=[]):
        network = room.built(member)
    x = to_input(room.samples.gather(torch.arange(min(3, len(room.samples)), device=room.device)))
    programs = possible(network) if independent(network, x) else []
    counted = [program for program in programs if program != "bmm"]
    return Choice(counted[0], TOGETHER) if counted else Choice("loop", 1)
