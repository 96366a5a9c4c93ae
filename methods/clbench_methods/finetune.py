"""Finetuning: train on the new data and nothing else; the lower control."""

from torch.nn.functional import cross_entropy

from clbench.method import Card, Method, Network, Space, Training, View


class Finetune(Method):
    """Plain training on each update in turn."""

    card = Card(
        name="finetune",
        paper="McCloskey and Cohen 1989, doi:10.1016/S0079-7421(08)60536-8",
        family="control",
        control=True,
    )

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy over all classes seen, on the update's data alone."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            step(cross_entropy(self.model(batch.x), batch.y))
