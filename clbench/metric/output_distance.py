"""Distances between the outputs of two models on the same samples, from logits [..., C].

Leading axes are samples, or models and samples. Divergences are sums over classes and means over
samples; public code averages over both, which divides them by C.
"""

import numpy as np
from scipy.special import log_softmax, softmax

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray, IntArray


def jensen_shannon(first: AnyFloats, second: AnyFloats) -> FloatArray:
    """Jensen-Shannon divergence of the softmax outputs for each sample, in bits: [..., C] to [...].

    (KL(p || m) + KL(q || m)) / 2 with m = (p + q) / 2; 1 where the outputs have nothing in common.
    Public code swaps the sides of KL and divides by C: 0.06 for disjoint outputs of 100 classes.
    Direction: lower; range: [0, 1] bits; paper: doi:10.1109/18.61115.

    Raises:
        NotMeasured: there are no samples, or a logit is not a number.
        ClbenchError: shapes differ.
    """
    p, q = (log_softmax(each, axis=-1) for each in _logits(first, second))
    middle = np.logaddexp(p, q) - np.log(2)  # in logs, where no probability is too small to divide
    nats = (np.exp(p) * (p - middle) + np.exp(q) * (q - middle)).sum(axis=-1) / 2
    return np.asarray(np.clip(nats / np.log(2), 0, 1))


def divergence_to_oracle(unlearned: AnyFloats, oracle: AnyFloats) -> float:
    """Mean Jensen-Shannon divergence from an oracle's outputs on the forget set, in bits.

    Direction: lower; range: [0, 1] bits; paper: arXiv:2205.08096.
    """
    return float(jensen_shannon(unlearned, oracle).mean())


def zero_retrain_forgetting(unlearned: AnyFloats, random: AnyFloats) -> float:
    """ZRF: 1 - mean Jensen-Shannon divergence, in bits, from a randomly initialised model.

    On the forget set; 1 where the model answers as one that never learnt anything. That is no goal
    by itself: the oracle's ZRF is what to compare with.
    Direction: neither, see the oracle's; range: [0, 1]; paper: arXiv:2205.08096.
    """
    return 1 - divergence_to_oracle(unlearned, random)


def activation_distance(unlearned: AnyFloats, oracle: AnyFloats) -> float:
    """Mean over samples of the Euclidean distance between softmax outputs.

    Not the root of the mean square distance, which SUPREME reports under this name.
    Direction: lower; range: [0, sqrt 2]; paper: arXiv:1911.04933.
    """
    p, q = (softmax(each, axis=-1) for each in _logits(unlearned, oracle))
    return float(np.linalg.norm(p - q, axis=-1).mean())


def completeness(predicted: IntArray, oracle_predicted: IntArray) -> float:
    """Share of samples on which an unlearned model and an oracle answer alike, over all pairs.

    Answers [N, n] of unlearned models and [M, n] of oracles, whether right or wrong. Oracles among
    themselves do not reach 1 either: see the null. Direction: higher; range: [0, 1]; paper:
    doi:10.1109/SP.2015.35.

    Raises:
        NotMeasured: there are no models or samples.
        ClbenchError: the answers are not to the same samples.
    """
    if predicted.ndim != 2 or predicted.shape[1:] != oracle_predicted.shape[1:]:
        raise ClbenchError(
            "answers [models, samples] to the same samples; "
            f"got shapes {predicted.shape} and {oracle_predicted.shape}"
        )
    if not (predicted.size and oracle_predicted.size):
        raise NotMeasured("there are no models or samples")
    classes = np.union1d(predicted, oracle_predicted)
    shares = (_shares(each, classes) for each in (predicted, oracle_predicted))
    return float((next(shares) * next(shares)).sum(axis=0).mean())


def churn_to_oracle(predicted: IntArray, oracle_predicted: IntArray) -> float:
    """1 - completeness: share of answers [N, n] that differ from an oracle's [M, n].

    Direction: lower; range: [0, 1]; paper: NeurIPS 2016, Launch and Iterate.
    """
    return 1 - completeness(predicted, oracle_predicted)


def _shares(predicted: IntArray, classes: IntArray) -> FloatArray:
    """Share of the models that answer each class, [classes, n]."""
    return np.stack([(predicted == each).mean(axis=0) for each in classes])


def _logits(first: AnyFloats, second: AnyFloats) -> list[FloatArray]:
    if first.shape != second.shape:
        raise ClbenchError(
            "outputs are compared sample by sample and class by class; "
            f"got shapes {first.shape} and {second.shape}"
        )
    if not first.size:
        raise NotMeasured("there are no samples")
    wide: list[FloatArray] = [np.asarray(e, dtype=np.float64) for e in (first, second)]
    if not all(np.isfinite(each).all() for each in wide):
        raise NotMeasured("a logit is not finite: a model has diverged")
    return wide
