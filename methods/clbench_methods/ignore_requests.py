"""Ignore requests: learn every update, forget nothing; doing nothing where tasks come in turn."""

from clbench.method import Card, Method, Network, Space, Training, View
from clbench.model.fitting import fit


class IgnoreRequests(Method):
    """Learns as finetuning does; requests to forget change nothing."""

    card = Card(
        name="ignore_requests",
        paper="unpublished: the model as if nothing had been asked",
        family="control",
        plays=("learn", "forget"),
        original="plain",
        control=True,
        notes="With one update to learn it is do_nothing, which learns no later ones. Where "
        "several updates teach what is then to be forgotten, this is what unlearning starts from, "
        "and the 0 of its fractions.",
    )

    backbone: str = "mlp"
    training: Training = Training()

    def build(self, space: Space) -> None:
        """Make the network."""
        self.model = Network(self.backbone, space)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy over all classes seen, on the update's data alone."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Keep everything."""
