"""What a population attack looks at: one number a sample, from logits [n, C] and labels [n].

All are found from logits, not from rounded probabilities, so that none of them is infinite for a
model that is sure.
"""

import numpy as np
from scipy.special import log_softmax, logsumexp

from clbench.metric.margins import AnyFloats, FloatArray, IntArray, confidence, margins


def cross_entropy(logits: AnyFloats, labels: IntArray) -> FloatArray:
    """Loss of each sample, -ln p_y, in nats [n].

    Direction: lower speaks for a member; range: [0, inf); paper: arXiv:1709.01604.
    """
    return np.asarray(np.logaddexp(0, -margins(logits, labels)))


def correctness(logits: AnyFloats, labels: IntArray) -> FloatArray:
    """1 where the label's logit is the largest (the first of equals), else 0 [n].

    Direction: higher speaks for a member; range: [0, 1]; paper: arXiv:1709.01604.
    """
    return np.asarray(logits.argmax(axis=1) == labels, dtype=np.float64)


def label_confidence(logits: AnyFloats, labels: IntArray) -> FloatArray:
    """Probability of the label, p_y [n].

    Direction: higher speaks for a member; range: [0, 1]; paper: arXiv:2003.10595.
    """
    return confidence(margins(logits, labels))


def entropy(logits: AnyFloats) -> FloatArray:
    """Entropy of the prediction, -sum_k p_k ln p_k, in nats [n]; labels do not matter.

    Direction: lower speaks for a member; range: [0, ln C]; paper: arXiv:2003.10595.
    """
    logs = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    return np.asarray(-(np.exp(logs) * logs).sum(axis=1))


def modified_entropy(logits: AnyFloats, labels: IntArray) -> FloatArray:
    """-(1 - p_y) ln p_y - sum_{k != y} p_k ln(1 - p_k), in nats [n] (Song and Mittal 2021).

    0 for a sure and right answer, large for a sure and wrong one. Public code exchanges p and 1 - p
    in the columns of *all* labels for every sample and takes ln p for ln(1 - p): another quantity.
    Direction: lower speaks for a member; range: [0, inf); paper: arXiv:2003.10595.
    """
    logs = log_softmax(np.asarray(logits, dtype=np.float64), axis=1)
    rest = _log_rest(logs)
    own = np.arange(logs.shape[1]) == labels[:, None]
    weight, log = np.where(own, rest, logs), np.where(own, logs, rest)
    return np.asarray(-(np.exp(weight) * log).sum(axis=1))


def _log_rest(logs: FloatArray) -> FloatArray:
    """ln(1 - p) from ln p [n, C], also where p rounds to 1: there as the sum of all others."""
    rows, top = np.arange(len(logs)), logs.argmax(axis=1)
    others = logs.copy()
    others[rows, top] = -np.inf
    p = np.exp(logs)
    p[rows, top] = 0
    rest = np.log1p(-p)
    rest[rows, top] = logsumexp(others, axis=1)
    return rest
