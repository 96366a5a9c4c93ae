"""Removal in closed form: a ridge head on the network's features, with and without samples."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from clbench.ensemble.removal import network_logits
from clbench.model.network import Network, evaluating, full_precision
from clbench.model.ridge import RidgeSums, choose_ridge
from clbench.view import Batch, View

RIDGES = tuple(10.0**k for k in range(-4, 7))


class RidgeRemoval:
    """Exact for a ridge head on the network's features: sums are downdated, the head solved anew.

    The network's own head is another. Its logits are taken to be those of the ridge head, fitted to
    one-hot labels, times the least-squares slope between both over what was learned, each without
    its mean over classes; a head that is itself that ridge head has slope 1. Features, with a 1
    beside them, are taken to stay. Without a ridge, each update chooses its own on held-out
    samples (`choose_ridge`).
    """

    def __init__(self, network: Network, ridge: float | None) -> None:
        self._width = network.backbone.num_features + 1
        self._device = network.space.device
        self._given = ridge
        self.ridge = ridge or 1.0
        self.scale = 0.0
        self.sums = RidgeSums(self._width, self._device)
        self.logits = torch.zeros(self._width, 0, dtype=torch.float64, device=self._device)
        self.shift = self.logits.clone()  # the head's loss [d, C]

    def learn(self, network: Network, view: View) -> None:
        """Add features, labels and logits to the sums; choose the ridge, fit the slope."""
        self._grow(view.n_classes)
        found = [self._seen(network, batch) for batch in view.chunks()]
        if not found:
            return
        features, y, logits = (torch.cat(parts) for parts in zip(*found, strict=True))
        if self._given is None and len(y) > 1:
            order = torch.randperm(len(y), generator=view.generator).to(y.device)
            self.ridge = choose_ridge(features[order], y[order], view.n_classes, RIDGES)
        self.sums.add(features, y)
        self.logits += features.T @ centred(logits.double())
        self.shift.zero_()  # from here on the network is the one that learned this
        self.scale = self._slope()

    def forget(self, network: Network, view: View) -> None:
        """Take what is forgotten out of the sums; note what the head loses."""
        before = self.sums.solve(self.ridge)
        for batch in view.chunks():
            self.sums.remove(self._features(network, batch.x), batch.y)
        self.shift += before - self.sums.solve(self.ridge)

    def effect(self, network: Network, x: Tensor) -> Tensor:
        """The slope times what the ridge head's outputs lose, [B, C]."""
        return (self.scale * (self._features(network, x) @ self.shift)).float()

    def state_dict(self) -> dict[str, Any]:
        """The sums, what the head lost, and both numbers."""
        names = ("ridge", "scale", "logits", "shift")
        return {"sums": self.sums.state_dict(), **{name: getattr(self, name) for name in names}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over saved sums."""
        self.sums.load_state_dict(state["sums"])
        self.ridge, self.scale = state["ridge"], state["scale"]
        self.logits, self.shift = state["logits"], state["shift"]

    def _grow(self, n_classes: int) -> None:
        self.sums.grow(n_classes)
        more = (0, max(0, n_classes - self.shift.shape[1]))
        self.logits, self.shift = pad(self.logits, more), pad(self.shift, more)

    def _seen(self, network: Network, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
        return self._features(network, batch.x), batch.y, network_logits(network, batch.x)

    def _features(self, network: Network, x: Tensor) -> Tensor:
        with evaluating(network), full_precision(network):
            return pad(network.embed(x).double(), (0, 1), value=1.0)

    def _slope(self) -> float:
        head = centred(self.sums.solve(self.ridge))
        square = (head * (self.sums.gram @ head)).sum()
        return float((head * self.logits).sum() / square) if square > 0 else 0.0


def centred(rows: Tensor) -> Tensor:
    """Rows without their mean: what a softmax sees of logits."""
    return rows - rows.mean(dim=1, keepdim=True)
