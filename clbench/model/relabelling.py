"""Labels that a sample does not have."""

import torch
from torch import Generator, Tensor

from clbench.errors import ClbenchError


def wrong_labels(y: Tensor, n_classes: int, generator: Generator) -> Tensor:
    """A label [B] for each of `y` [B], uniform over the other classes.

    Public code draws from all classes, so that one sample in C keeps its label.

    Raises:
        ClbenchError: there is no other class.
    """
    if n_classes < 2:
        raise ClbenchError(
            f"relabelling needs a second class to choose from; the model knows {n_classes}"
        )
    away = torch.randint(1, n_classes, y.shape, generator=generator)
    return (y + away.to(y.device)) % n_classes
