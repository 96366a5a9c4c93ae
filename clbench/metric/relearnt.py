"""What attacks brought back of what N models forgot, as metrics are handed it."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.floating]
IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Relearning:
    """Models that learn again what they forgot, looked at after 0, .., T - 1 of its steps.

    Attributes:
        steps: [T] steps that were done, 0 first.
        epoch: steps of one pass over what was forgotten.
        accuracy, loss: [N, T] on what was forgotten; nats.
        original_accuracy, original_loss: [N] of the models that unlearning started from.
    """

    steps: IntArray
    epoch: int
    accuracy: FloatArray
    loss: FloatArray
    original_accuracy: FloatArray
    original_loss: FloatArray

    def __len__(self) -> int:
        return len(self.accuracy)
