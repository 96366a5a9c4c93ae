"""Synaptic intelligence (1703.04200)."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.method import LEARNING_RATE, Card, Field, Method, Network, Range, Space, Training, View
from clbench.model.importance import Parameters, QuadraticAnchor


class SI(Method):
    """Cross-entropy plus a pull on the parameters whose way lowered the loss of past updates."""

    card = Card(
        name="si",
        paper="1703.04200",
        family="regularisation",
        stores="statistics",
        notes="The path integral takes the gradient of cross-entropy without the penalty, and the "
        "step that the optimiser really makes, momentum and weight decay included. The sum over "
        "updates is cut off at zero, as in the authors' code: a negative importance would reward "
        "moving away. Every update has a fresh optimiser. c and xi are those of permuted MNIST; "
        "the paper has c 1 and xi 0.001 on split MNIST. With a single head and new classes it "
        "forgets as finetuning does at every strength that does not diverge: the known result.",
    )
    carries = ("model", "anchor")
    tunes = (LEARNING_RATE, Range("strength", 1e-3, 100, log=True))

    backbone: str = "mlp"
    training: Training = Training()
    strength: float = Field(0.1, ge=0, description="c, the weight of the penalty")
    xi: float = Field(0.1, gt=0, description="damping, for parameters that hardly moved")

    def build(self, space: Space) -> None:
        """Make the network; there is nothing to protect yet."""
        self.model = Network(self.backbone, space)
        self.anchor = QuadraticAnchor()

    def learn(self, view: View) -> None:
        """Minimise cross-entropy + c sum Omega (theta - theta*)^2 and integrate along the way."""
        self.model.grow(view.n_classes)
        step, path = self.training.start(self.model), PathIntegral(self.model)
        for batch in view.batches(self.training):
            loss = path.before(cross_entropy(self.model(batch.x), batch.y))
            # The anchor's penalty is half the weighted sum of squares; the paper's is the sum.
            step(loss + 2 * self.strength * self.anchor.penalty(self.model))
            path.after()
        self.anchor.merge(path.importance(self.xi), self.model, decay=1.0)
        for importance in self.anchor.importance.values():
            importance.clamp_(min=0)


class PathIntegral:
    """omega_i = -sum over steps of g_i (theta_i after - theta_i before), over one update."""

    def __init__(self, model: torch.nn.Module) -> None:
        self._parameters = {n: p for n, p in model.named_parameters() if p.requires_grad}
        self._start = self._values()
        self.omega = {n: torch.zeros_like(p) for n, p in self._start.items()}
        self._gradients: Parameters = {}

    def before(self, loss: Tensor) -> Tensor:
        """Note where a step starts; returns sum_i g_i theta_i, to step down in place of the loss.

        It has the gradient of the loss, and with a penalty added to it the step needs no second
        pass back through the network.
        """
        found = torch.autograd.grad(loss, list(self._parameters.values()), allow_unused=True)
        pairs = zip(self._parameters, found, strict=True)
        self._gradients = {name: g for name, g in pairs if g is not None}
        self._before = self._values()
        terms = [(g * self._parameters[name]).sum() for name, g in self._gradients.items()]
        return torch.stack(terms).sum()

    def after(self) -> None:
        """Add the step that was made."""
        for name, g in self._gradients.items():
            self.omega[name] -= g * (self._parameters[name].detach() - self._before[name])

    def importance(self, xi: float) -> Parameters:
        """omega_i / ((theta_i now - theta_i at the start)^2 + xi)."""
        moved = {name: now - self._start[name] for name, now in self._values().items()}
        return {name: w / (moved[name].square() + xi) for name, w in self.omega.items()}

    def _values(self) -> Parameters:
        return {name: p.detach().clone() for name, p in self._parameters.items()}
