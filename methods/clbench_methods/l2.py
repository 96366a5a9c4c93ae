"""L2 anchor: stay near the last model's weights, as in the rehearsal-free study (2203.17269)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.errors import ClbenchError
from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.importance import QuadraticAnchor
from clbench.model.losses import local_cross_entropy


class L2(Method):
    """Cross-entropy plus the squared distance to the weights before the update."""

    card = Card(
        name="l2",
        paper="2203.17269",
        family="regularisation",
        notes="The anchor is the model as the update finds it, so nothing but the model is "
        "carried. The first update has no penalty, also on a pretrained backbone. With "
        "layers=attention the self-attention blocks and the head are trained, the rest of the "
        "backbone is frozen and the blocks alone are penalised. softmax=all is cross-entropy over "
        "all classes seen, as finetuning has it. Training diverges where learning rate x strength "
        "passes 1; the default keeps clear of it at every rate in use here, and is not the "
        "study's.",
    )
    tunes = (LEARNING_RATE, Range("strength", 1e-3, 10, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(0.1, ge=0, description="lambda, the weight of the penalty")
    layers: Literal["all", "attention"] = "all"
    softmax: Literal["new", "all"] = "new"

    def build(self, space: Space) -> None:
        """Make the network, and freeze what is not to be trained."""
        self.model = Network(self.backbone, space)
        if self.layers == "attention":
            blocks = attention_blocks(self.model.backbone, self.backbone)
            self.model.backbone.requires_grad_(False)
            for block in blocks:
                block.requires_grad_(True)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy + lambda |theta - theta_old|^2."""
        anchor = self._anchor()
        self.model.grow(view.n_classes)
        new = torch.tensor(view.classes, dtype=torch.int64, device=view.device)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            loss = self._cross_entropy(self.model(batch.x), batch.y, new)
            # The anchor's penalty is half the sum of squares.
            step(loss + 2 * self.strength * anchor.penalty(self.model))

    def _anchor(self) -> QuadraticAnchor:
        anchor = QuadraticAnchor()
        if self.model.n_classes:  # before the first update there is nothing to stay near
            held = self.model if self.layers == "all" else self.model.backbone
            trained = {id(p) for p in held.parameters() if p.requires_grad}
            named = self.model.named_parameters()
            anchor.add({n: torch.ones_like(p) for n, p in named if id(p) in trained}, self.model)
        return anchor

    def _cross_entropy(self, logits: Tensor, y: Tensor, new: Tensor) -> Tensor:
        if self.softmax == "all":
            return cross_entropy(logits, y)
        return local_cross_entropy(logits, y, new)


def attention_blocks(body: nn.Module, name: str) -> list[nn.Module]:
    """The self-attention modules of a backbone.

    Raises:
        ClbenchError: it has none.
    """
    found = [part for part in body.modules() if "Attention" in type(part).__name__]
    if not found:
        raise ClbenchError(
            f"backbone {name} has no attention blocks; choose a vision transformer, such as "
            "vit_tiny_patch16_224, or layers=all"
        )
    return found
