"""Finetuning on retained data: forgetting by what later training overwrites."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Range, Space, Training, View


class FinetuneRetain(Method):
    """Goes on training on the retained data alone, in the hope that the rest is forgotten."""

    card = Card(
        name="finetune_retain",
        paper="Golatkar et al. 2020, arXiv:1911.04933 (as a baseline)",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained",),
        retained_only=True,
        original="plain",
        notes="A request for nothing changes nothing.",
    )

    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("unlearning.epochs", 1, 10))

    backbone: str = "mlp"
    training: Training = Training()
    unlearning: Training = Training(lr=0.01, epochs=5)

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))

    def forget(self, view: View) -> None:
        """Minimise cross-entropy on the retained data."""
        if not len(view):
            return
        step = self.unlearning.start(self.model)
        for batch in view.retained(self.unlearning):
            step(cross_entropy(self.model(batch.x), batch.y))
