"""Oracle matching: a real oracle's logits, the upper bound of datamodel matching (2410.23232)."""

import copy

from torch.nn.functional import cross_entropy

from clbench.ensemble.matching import Matching
from clbench.ensemble.removal import network_logits
from clbench.method import Card, Method, Network, Space, Training, View
from clbench.model.fitting import fit
from clbench_methods.dmm import MATCHED


class OracleMatching(Method):
    """Matches the logits of one real oracle: the upper bound of datamodel matching."""

    card = Card(
        name="oracle_matching",
        paper="2410.23232",
        family="control",
        plays=("learn", "forget"),
        needs=("retained", "retraining"),
        control=True,
        notes="A control, since it has what unlearning is to do without: it trains its own oracle, "
        "as retrain does from the same start, and its cost counts. Learning is plain, but no store "
        "serves it: its model after forgetting is not the oracle. Matching as for dmm, but on real "
        "logits.",
    )
    tunes = MATCHED

    backbone: str = "mlp"
    training: Training = Training()
    matching: Matching = Matching()

    def build(self, space: Space) -> None:
        """Make the network, and remember how it starts."""
        self.model = Network(self.backbone, space)
        self._start = copy.deepcopy(self.model)

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on the update's data, as finetuning does."""
        fit(self.model, view, self.training)

    def forget(self, view: View) -> None:
        """Train an oracle on what is retained, then match it."""
        if not len(view):
            return
        oracle = copy.deepcopy(self._start)
        oracle.grow(view.n_classes)
        step = self.training.start(oracle)
        for batch in view.retained(self.training, epochs=view.epochs(self.training)):
            step(cross_entropy(oracle(batch.x), batch.y))
        self.matching.fit(self.model, view, lambda x: network_logits(oracle, x))
