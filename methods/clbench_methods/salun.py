"""SalUn: relabelling that moves salient weights alone (2310.12508)."""

from clbench.method import Card, Field, Range, View
from clbench.model.masking import holding, most_salient
from clbench_methods.relabel import RandomLabel, relabel


class SalUn(RandomLabel):
    """Random labels move the weights whose gradient on the samples to forget is largest."""

    card = Card(
        name="salun",
        paper="2310.12508",
        family="unlearning",
        plays=("learn", "forget"),
        needs=("retained", "forget-labels"),
        original="plain",
        notes="Relabels as random_label does. Held weights are put back after each step, whatever "
        "weight decay and momentum do; public code masked gradients alone for two years. The "
        "gradient is summed over samples, so it does not depend on batches. Running statistics of "
        "BatchNorm are no weights, and move.",
    )
    tunes = (Range("unlearning.lr", 1e-4, 0.1, log=True), Range("share", 0.1, 1))

    share: float = Field(0.5, gt=0, le=1, description="of all weights, that may move")

    def forget(self, view: View) -> None:
        """Find the salient weights, and relabel with the others held."""
        if not len(view):
            return
        salient = most_salient(self.model, view.chunks(), self.share)
        step = holding(self.unlearning.start(self.model), self.model, salient)
        relabel(self.model, view, self.unlearning, step)
