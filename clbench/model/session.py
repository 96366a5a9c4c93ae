"""First-session adaptation: a backbone is trained on the first update, then never again."""

from collections.abc import Mapping
from typing import Any, Literal

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.model.adapters import Form, adapt
from clbench.model.network import Network, Space, evaluating
from clbench.model.training import Training
from clbench.view import View


class FirstSession:
    """Features of a backbone, adapted to the first update's classes in some form.

    What is carried is what was trained: nothing before the session and for form `none` (spec and
    seed rebuild it), all weights and statistics for `full`, else the form's few parameters.
    """

    def __init__(self, backbone: str, space: Space, form: Form | Literal["none"]) -> None:
        self.network = Network(backbone, space)
        self.form = form
        self._trained = [] if form == "none" else adapt(self.network.backbone, form)
        self.network.to(space.device)
        self.done = not self._trained

    def learn(self, view: View, training: Training) -> None:
        """The session, if it has not been: cross-entropy through a linear head, then dropped.

        SGD's rate falls to 0 along a half cosine. But for `full`, the backbone is in eval mode:
        batch statistics stay those that it came with.
        """
        if self.done:
            return
        head = nn.Linear(self.network.backbone.num_features, view.n_classes).to(view.device)
        step = training.start(
            nn.ModuleList([self.network.backbone, head]), steps=view.steps(training)
        )
        self.network.train(self.form == "full")
        for batch in view.batches(training):
            step(cross_entropy(head(self.network.embed(batch.x)), batch.y))
        self.done = True

    def embed(self, x: Tensor) -> Tensor:
        """Features [B, d], in eval mode and without gradients."""
        with evaluating(self.network):
            return self.network.embed(x)

    def state_dict(self) -> dict[str, Any]:
        """Whether the session has been, and what it trained."""
        if not (self.done and self._trained):
            return {"done": self.done}
        weights = self.network.backbone.state_dict()
        kept = weights if self.form == "full" else {name: weights[name] for name in self._trained}
        return {"done": self.done, "weights": dict(kept)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what a session trained."""
        self.done = state["done"]
        self.network.backbone.load_state_dict(state.get("weights", {}), strict=False)
