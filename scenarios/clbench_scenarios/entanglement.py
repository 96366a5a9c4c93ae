"""How entangled what is forgotten is with what is retained."""

import numpy as np
import numpy.typing as npt

from clbench_scenarios.components import FloatArray


def entanglement(embeddings: FloatArray, chosen: npt.NDArray[np.bool_]) -> float:
    """How entangled the chosen samples are with the others in a space of embeddings [n, d].

    ES of "What makes unlearning hard" (Zhao et al. 2024, arXiv:2406.01257): the variance within
    the chosen S plus that within the rest R, over half the squared distances of the means of both
    from the mean of all. Large where they cannot be told apart.
    """
    rest, some = embeddings[~chosen], embeddings[chosen]
    centre = embeddings.mean(axis=0)
    within = sum(((p - p.mean(axis=0)) ** 2).sum(axis=1).mean() for p in (rest, some))
    between = sum(((p.mean(axis=0) - centre) ** 2).sum() for p in (rest, some)) / 2
    return float(within / between)
