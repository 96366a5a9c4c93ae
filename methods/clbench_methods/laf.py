"""LAF: label-agnostic forgetting, by two autoencoders of representations (2404.00506)."""

from collections.abc import Callable, Iterable
from itertools import islice
from math import ceil

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy

from clbench.errors import ClbenchError
from clbench.method import Batch, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.fitting import fit
from clbench.model.variational import VAE, fit_vae


class LAF(Method):
    """Moves forgotten representations off their own distribution, and holds the others in place."""

    card = Card(
        name="laf",
        paper="2404.00506",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        original="plain",
        notes="Values are those of the authors' code for random samples of CIFAR-10; on MNIST it "
        "takes rates of 5e-5 and 1e-4, 20 epochs and a code of 8. Its autoencoder of the retained "
        "representations is trained on all training data, the forgotten among them; here on the "
        "retained. Its decoders end in a sigmoid, which reaches no feature outside 0 to 1; here "
        "they are linear. Losses are means over a batch, sums there, which Adam hides. An epoch is "
        "one pass over the samples to forget, with as many batches of retained ones. The head gets "
        "no gradient; repair trains it on labels of retained samples, which nothing else reads.",
    )
    tunes = (
        Range("unlearning.lr", 1e-6, 1e-3, log=True),
        Range("alignment_lr", 1e-6, 1e-3, log=True),
        Range("temperature", 1, 20),
    )
    quick = (("vae_epochs", 1),)

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Field(
        Training(optimiser="adam", lr=1e-5, batch_size=32, epochs=40),
        description="how it trains at forget updates; lr is that of extractor unlearning",
    )
    alignment_lr: float = Field(4e-5, gt=0, description="learning rate of the alignment")
    temperature: float = Field(20.0, gt=0, description="tau, of the forgotten in the alignment")
    repair: int = Field(0, ge=0, description="epochs of supervised repair of the head")
    latent: int = Field(16, ge=1, description="numbers in the code of an autoencoder")
    vae_epochs: int = Field(10, ge=0, description="passes that train an autoencoder")
    vae_lr: float = Field(1e-3, gt=0, description="learning rate of an autoencoder")
    vae_weight: float = Field(0.025, ge=0, description="of the divergence in its loss")

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)
        if not any(parameter.requires_grad for parameter in self.model.backbone.parameters()):
            raise ClbenchError(
                f"laf moves representations, and the backbone {self.backbone} has nothing that "
                "trains; take another, such as mlp"
            )

    def learn(self, view: View) -> None:
        """Train plainly."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """In turn: push the forgotten out of their distribution, align with the original."""
        if not (len(view) and view.n_retained):
            return
        before = self.model.frozen_copy()
        kept, gone = self._vae(view.retained_chunks(), view), self._vae(view.chunks(), view)
        push, align = self._start(self.unlearning.lr), self._start(self.alignment_lr)
        steps = self.unlearning.epochs * ceil(len(view) / self.unlearning.batch_size)
        pairs = view.pairs(self.unlearning, epochs=self.unlearning.epochs)
        for forget, retain in islice(pairs, steps):
            r, f = self.model.embed(retain.x), self.model.embed(forget.x)
            push(strangeness(kept.error(r)) - strangeness(gone.error(f)))
            r, f = self.model.embed(retain.x), self.model.embed(forget.x)
            r0, f0 = before.embed(retain.x), before.embed(forget.x)
            align(misalignment(r, r0, f, f0, self.temperature))
        self._repair(view)

    def _start(self, lr: float) -> Callable[[Tensor], None]:
        return self.unlearning.model_copy(update={"lr": lr}).start(self.model)

    def _vae(self, chunks: Iterable[Batch], view: View) -> VAE:
        """An autoencoder of the representations of some samples."""
        features = torch.cat([self.embed(batch.x) for batch in chunks])
        vae = VAE(features.shape[1], self.latent).to(view.device)
        fit_vae(
            vae,
            features,
            view.generator,
            epochs=self.vae_epochs,
            lr=self.vae_lr,
            batch_size=self.unlearning.batch_size,
            weight=self.vae_weight,
        )
        return vae.requires_grad_(False)

    def _repair(self, view: View) -> None:
        """Minimise cross-entropy on retained samples over the head alone."""
        if self.repair:
            step = self.unlearning.start(self.model.head)
            for batch in view.retained(self.unlearning, epochs=self.repair):
                step(cross_entropy(self.model.head(self.embed(batch.x)), batch.y))


def strangeness(errors: Tensor) -> Tensor:
    """Mean of exp(m / (m + 1)) over reconstruction errors m [B]: from 1 to e, flat far out."""
    return (errors / (errors + 1)).exp().mean()


def misalignment(
    retain: Tensor, retain0: Tensor, forget: Tensor, forget0: Tensor, temperature: float
) -> Tensor:
    """Mean over retained i of log(exp(m_i) / sum_j exp(m_j / tau)), j over the forgotten.

    m = 1 - cosine of a representation [B, d] with that of the original model, which comes second.
    """
    kept = 1 - cosine_similarity(retain, retain0)
    gone = 1 - cosine_similarity(forget, forget0)
    return kept.mean() - (gone / temperature).logsumexp(0)
