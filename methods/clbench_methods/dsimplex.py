"""d-Simplex with higher-order contrast: a fixed classifier keeps features in place (2405.02581)."""

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, linear

from clbench.errors import ClbenchError
from clbench.memory import Reservoir
from clbench.method import (
    LEARNING_RATE,
    Card,
    Field,
    Method,
    Network,
    Range,
    Space,
    State,
    Training,
    View,
    evaluating,
)
from clbench.model.lineage import Lineage
from clbench.model.simplex import contrast, simplex


class DSimplex(Method):
    """Features learn to point at vertices of a regular simplex that never move."""

    card = Card(
        name="dsimplex",
        paper="2405.02581",
        family="compatibility",
        plays=("learn", "replace"),
        stores="samples",
        notes="Vertices are taken in the order of the classes; the rest are kept for classes to "
        "come, and compete in training. Contrast with the model before the update has the old "
        "feature of the sample itself as positive, those of other classes as negatives; public "
        "code lets masked pairs count with similarity 0. Replay is a reservoir, as in er. A "
        "newer version starts anew, with a backbone of its own if backbones says so (the paper: a "
        "larger pretrained one), at the vertices of the older; all data are there, so that it "
        "replays none, and its memory begins anew.",
    )
    carries = ("model", "projection", "memory", "known")
    tunes = (LEARNING_RATE, Range("weight", 0.01, 1, log=True))

    backbone: str = "mlp"
    backbones: str = Field("", description="of versions that replace, in turn, between semicolons")
    training: Training = Training()
    vertices: int = Field(1024, ge=2, description="the most classes that there may ever be")
    weight: float = Field(0.1, ge=0, le=1, description="lambda, of cross-entropy; contrast: rest")
    scale: float = Field(10.0, gt=0, description="mu, of similarities in the contrast")
    buffer: int = Field(200, ge=1, description="samples that the memory holds")

    def build(self, space: Space) -> None:
        """Make the backbone, its map to the simplex's dimension, the vertices and a memory."""
        self.model = self.line = Lineage(self.backbone, self.backbones, space)
        self.projection = self._projection()
        self.classifier = simplex(self.vertices).to(space.device)  # fixed: not carried
        self.memory = Reservoir(self.buffer, space)
        self.known = 0

    def learn(self, view: View) -> None:
        """Cross-entropy at the vertices; from the second update on, contrast with the old model."""
        self._check_vertices(view)
        old, before = self.model.frozen_copy(), self.projection.weight.detach().clone()
        self._train(view, old, before, replayed=True)

    def replace(self, view: View) -> None:
        """The same from a fresh start: contrast with the older model, and nothing to replay."""
        self._check_vertices(view)
        before = self.projection.weight.detach().clone()
        old = self.line.renew()
        self.projection = self._projection()
        self.memory = Reservoir(self.buffer, self.model.space)
        self._train(view, old, before, replayed=False)

    def _train(self, view: View, old: Network, projection: Tensor, *, replayed: bool) -> None:
        step = self.training.start(nn.ModuleList([self.model.backbone, self.projection]))
        for batch in view.batches(self.training):
            x, y = batch.x, batch.y
            if replayed:
                past_x, past_y = self.memory.sample(batch, view.generator)
                x, y = torch.cat([x, past_x]), torch.cat([y, past_y])
            features = self.projection(self.model.embed(x))
            loss = cross_entropy(linear(features, self.classifier), y)
            if self.known:
                with torch.no_grad():
                    before = linear(old.embed(x), projection)
                higher = contrast(features, before, y, self.scale)
                loss = self.weight * loss + (1 - self.weight) * higher
            step(loss)
            if batch.first_pass:
                self.memory.add(batch, view.generator)
        self.known = view.n_classes

    def predict(self, x: Tensor) -> Tensor:
        """Products with the vertices of the classes seen, [B, classes seen]."""
        return linear(self.embed(x), self.classifier[: self.known])

    def embed(self, x: Tensor) -> Tensor:
        """Features in the space of the simplex [B, vertices - 1]."""
        with evaluating(self.model), evaluating(self.projection):
            features: Tensor = self.projection(self.model.embed(x))
        return features

    def load(self, state: State) -> None:
        """Take over what `state` returned, with a map that is as wide as its backbone."""
        self.model.load_state_dict(state["model"])
        self.projection = self._projection()
        super().load(state)

    def _projection(self) -> nn.Linear:
        d = self.model.backbone.num_features
        return nn.Linear(d, self.vertices - 1, bias=False).to(self.model.space.device)

    def _check_vertices(self, view: View) -> None:
        if view.n_classes > self.vertices:
            raise ClbenchError(
                f"dsimplex has {self.vertices} vertices and the stream {view.n_classes} classes; "
                "set vertices to the most classes that there may be"
            )
