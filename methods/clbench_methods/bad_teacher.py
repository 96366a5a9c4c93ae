"""Bad teaching: an untrained teacher for the samples to forget (2205.08096)."""

import torch
from torch import Tensor

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.losses import distillation
from clbench_methods.random_features import untrained


class BadTeacher(Method):
    """Answers as an untrained network on what is to be forgotten, and as before on the rest."""

    card = Card(
        name="bad_teacher",
        paper="2205.08096",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        original="plain",
        notes="Optimiser, rate, epochs, batches and the 30 % of retained data are those of the "
        "authors' notebook; their function has other defaults. The divergence is a mean over "
        "samples; their code divides it by the number of classes as well, which makes the loss "
        "that many times weaker (Adam hides most of that), and leaves out the factor T^2. The "
        "untrained teacher has no pretrained weights. No label is read.",
    )
    tunes = (
        Range("unlearning.lr", 1e-5, 1e-2, log=True),
        Range("unlearning.epochs", 1, 10),
        Range("temperature", 1, 4),
    )

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(optimiser="adam", lr=1e-4, batch_size=256, epochs=1),
        description="how it trains at forget updates",
    )
    kept: float = Field(0.3, ge=0, le=1, description="share of the retained data that is taught")
    temperature: float = Field(1.0, gt=0, description="T of the divergences")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise KL(teacher | model), the untrained teacher's on samples to forget."""
        if not len(view):
            return
        competent, incompetent = self.model.frozen_copy(), self._untrained()
        raw, gone = self._taught(view)
        step = self.unlearning.start(self.model)
        for x, bad in view.rehearse(raw, gone, self.unlearning, self.unlearning.epochs):
            teacher = torch.where(bad[:, None], incompetent(x), competent(x))
            step(distillation(self.model(x), teacher, self.temperature))

    def _untrained(self) -> Network:
        drawn = Network(untrained(self.backbone), self.model.space)
        drawn.grow(self.model.n_classes)
        return drawn.frozen_copy()

    def _taught(self, view: View) -> tuple[Tensor, Tensor]:
        """Stored samples to forget and a part of the retained; which [n] are to be forgotten."""
        kept = view.retained_chunks(at_most=int(self.kept * view.n_retained))
        raw = torch.cat([batch.raw for batch in (*view.chunks(), *kept)])
        return raw, torch.arange(len(raw), device=view.device) < len(view)
