"""Elastic weight consolidation (1612.00796) and its online form (1805.06370)."""

from typing import Literal

from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.importance import Labels, QuadraticAnchor, fisher_diagonal


class EWC(Method):
    """Cross-entropy plus a quadratic pull towards where parameters that mattered were."""

    card = Card(
        name="ewc",
        paper="1612.00796",
        family="regularisation",
        stores="statistics",
        passes="many",
        notes="The paper's form keeps a Fisher and an anchor of every update; form=online keeps "
        "one, decayed by gamma. Gradients are per sample; labels are drawn from the model. "
        "Training diverges, and says so, where learning rate x strength x importance passes 2: on "
        "split-digits at rate 0.1 from a strength of 400 on. With a single head and new classes it "
        "forgets at every strength below: the known result.",
    )
    carries = ("model", "anchor")
    tunes = (LEARNING_RATE, Range("strength", 0.1, 1e5, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(10.0, ge=0, description="lambda, the weight of the penalty")
    form: Literal["paper", "online"] = "paper"
    gamma: float = Field(1.0, ge=0, le=1, description="decay of old importance (online form)")
    labels: Labels = "sampled"
    samples: int | None = Field(
        None, ge=1, description="samples of an update to find importance on, drawn; all if none"
    )

    def build(self, space: Space) -> None:
        """Make the network; there is nothing to protect yet."""
        self.model = Network(self.backbone, space)
        self.anchor = QuadraticAnchor()

    def learn(self, view: View) -> None:
        """Train under the penalties, then measure what this update made important."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            loss = cross_entropy(self.model(batch.x), batch.y)
            step(loss + self.strength * self.anchor.penalty(self.model))
        fisher = fisher_diagonal(self.model, view.chunks(at_most=self.samples), self.labels)
        if self.form == "paper":
            self.anchor.add(fisher, self.model)
        else:
            self.anchor.merge(fisher, self.model, self.gamma)
