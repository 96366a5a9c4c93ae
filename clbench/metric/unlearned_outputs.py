"""How far the outputs of unlearned models lie from those of oracles, where all logits are recorded.

Model i is compared with oracle i of those that it is held against; `logits` are [N, n, C].
"""

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric.group import group_metric
from clbench.metric.output_distance import activation_distance, divergence_to_oracle
from clbench.metric.output_distance import zero_retrain_forgetting as zrf

Floats = Mapping[str, npt.NDArray[np.floating]]
MOST = float(np.sqrt(2))


@group_metric(direction="lower", range=(0, 1), paper="arXiv:2205.08096", unit="ratio")
def forget_divergence(logits: Floats, oracle_logits: Floats) -> float:
    """Mean Jensen-Shannon divergence from an oracle's outputs, in bits, on what was to go."""
    return _paired(divergence_to_oracle, logits, oracle_logits)


@group_metric(direction="lower", range=(0, MOST), paper="arXiv:1911.04933", unit="ratio")
def forget_activation_distance(logits: Floats, oracle_logits: Floats) -> float:
    """Mean Euclidean distance of softmax outputs from an oracle's, on what was to go."""
    return _paired(activation_distance, logits, oracle_logits)


@group_metric(direction="neither", range=(0, 1), paper="arXiv:2205.08096", unit="ratio")
def zero_retrain_forgetting(logits: Floats, untrained_logits: Floats) -> float:
    """ZRF: 1 - mean Jensen-Shannon divergence from untrained models, in bits, on what was to go.

    1 where models answer as if they had never learnt anything, which retrained ones do not.
    """
    own, untrained = logits["forget"], untrained_logits["forget"]
    distances = [zrf(model, untrained[i % len(untrained)]) for i, model in enumerate(own)]
    return float(np.mean(distances))


def _paired(distance: Callable[..., float], logits: Floats, oracle_logits: Floats) -> float:
    own, oracle = logits["forget"], oracle_logits["forget"]
    pairs = min(len(own), len(oracle))
    return distance(own[:pairs], oracle[:pairs])
