"""JiT: forgetting by smoothing the model around the forgotten samples (2402.01401)."""

import torch
from torch import Generator, Tensor
from torch.linalg import vector_norm

from clbench.method import Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.modes import modes_kept


class JiT(Method):
    """Lowers the change of outputs under noise on the forgotten samples, which are all it reads."""

    card = Card(
        name="jit",
        paper="2402.01401",
        family="unlearning",
        plays=("learn", "forget"),
        original="plain",
        notes="One pass over the samples to forget, without labels and without retained data. As "
        "in the authors' code the change is summed over a batch, and noisy inputs are clipped to "
        "the range of their batch. That code holds the noisy outputs fixed, so that the gradient "
        "pulls f(x) to their mean and hardly smooths; here both sides have one. Rate, noise and "
        "batches are that code's for a class and VGG16; it takes sigma 0.01 for random samples, "
        "and for a ViT rates of 0.1 to 1.5. Batches are shuffled. Passes are in eval mode, so that "
        "noise does not enter BatchNorm's statistics.",
    )
    tunes = (Range("unlearning.lr", 1e-5, 1, log=True), Range("sigma", 1e-2, 1, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(lr=3e-4, batch_size=128, epochs=1), description="how it trains at forget updates"
    )
    sigma: float = Field(0.5, gt=0, description="standard deviation of the noise on inputs")
    copies: int = Field(25, ge=1, description="noisy copies of a sample")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Minimise the mean over noise of |f(x) - f(x + noise)| / |noise|."""
        step = self.unlearning.start(self.model)
        with modes_kept(self.model):
            self.model.eval()
            for batch in view.batches(self.unlearning):
                step(self._roughness(batch.x, view.generator))

    def _roughness(self, x: Tensor, generator: Generator) -> Tensor:
        """Summed over the samples [B, ...], the mean over noisy copies of the rate of change."""
        outputs, total = self.model(x), x.new_zeros(())
        for _ in range(self.copies):
            noise = self.sigma * torch.randn(x.shape, generator=generator).to(x)
            noisy = (x + noise).clamp(float(x.min()), float(x.max()))
            moved = vector_norm((noisy - x).flatten(1), dim=1).clamp_min(1e-12)
            total = total + (vector_norm(outputs - self.model(noisy), dim=1) / moved).sum()
        return total / self.copies
