"""Plain training, for methods whose originals are plainly trained models."""

from torch.nn.functional import cross_entropy

from clbench.model.network import Network
from clbench.model.training import Training
from clbench.view import View


def fit(model: Network, view: View, training: Training) -> None:
    """Minimise cross-entropy over all classes seen, on the update's data alone.

    To the last bit what the method `finetune` does with the same network and settings.
    """
    model.grow(view.n_classes)
    step = training.start(model)
    for batch in view.batches(training):
        step(cross_entropy(model(batch.x), batch.y))
