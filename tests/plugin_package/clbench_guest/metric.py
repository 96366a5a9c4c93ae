"""A metric of a third party."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric import metric


@metric(direction="neither", range=(0, 1), paper="unpublished")
def guest_share(predicted: Sequence[npt.NDArray[np.integer]]) -> float:
    """Share of answers that are the first class."""
    return float((predicted[-1] == 0).mean())
