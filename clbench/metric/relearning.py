"""How fast what was to be forgotten comes back, from recorded curves.

A curve is what was measured on the forget set after 0, 1, 2, .. steps (or epochs) of training on
some of it: entry 0 is the unlearned model itself. What is really gone takes as long to learn again
as it takes an oracle, which never knew it.
"""

import numpy as np

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.margins import FloatArray, IntArray

ALPHA = 0.05
OFFSET = 0.01


def relearn_time(accuracy: FloatArray, original_accuracy: float, alpha: float = ALPHA) -> float:
    """Steps until forget accuracy is within a share `alpha` of the original model's.

    The first t with accuracy[t] >= (1 - alpha) original_accuracy, of a curve [1 + steps].
    Direction: neither, see the oracle's; range: [0, inf); paper: arXiv:2201.05629.

    Raises:
        NotMeasured: the accuracy was not reached, so that the time is known to be longer only.
    """
    target = (1 - alpha) * original_accuracy
    return _first(accuracy >= target, f"forget accuracy {target:.3f}")


def relearn_time_of_loss(loss: FloatArray, original_loss: float) -> float:
    """Epochs until the loss on the forget set is no larger than the original model's.

    Direction: neither, see the oracle's; range: [0, inf); paper: arXiv:1911.04933.

    Raises:
        NotMeasured: the loss was not reached.
    """
    return _first(loss <= original_loss, f"forget loss {original_loss:.3f}")


def anamnesis_index(time: float, oracle_time: float) -> float:
    """AIN: relearn time over the oracle's, (t + 0.01) / (t_oracle + 0.01).

    Much below 1: it was not forgotten. Much above 1: it was made hard to learn, which the oracle
    is not. Direction: neither, ideally 1; range: (0, inf); paper: arXiv:2201.05629.

    Raises:
        ClbenchError: a time is negative.
    """
    if time < 0 or oracle_time < 0:
        raise ClbenchError(f"relearn times are at least 0; got {time} and {oracle_time}")
    return (time + OFFSET) / (oracle_time + OFFSET)


def recovered_accuracy(accuracy: FloatArray) -> float:
    """Forget accuracy at the end of relearning, of a curve [1 + steps].

    Head recovery where the body was frozen and full recovery where it was not; both from a small
    share of the data, 2 % as published, measured on the rest. Compare with the oracle's.
    Direction: neither, see the oracle's; range: [0, 1]; paper: arXiv:2405.17878.

    Raises:
        NotMeasured: nothing was relearnt.
    """
    if len(accuracy) < 2:
        raise NotMeasured("there was no step of relearning")
    return float(accuracy[-1])


def recovered_share(accuracy: FloatArray, original_accuracy: float) -> float:
    """Share of the accuracy that unlearning took which relearning gave back, of a curve.

    (accuracy[-1] - accuracy[0]) / (original_accuracy - accuracy[0]); above 1 where it ends better
    than it ever was.
    Direction: lower; range: all numbers; paper: arXiv:2405.17878.

    Raises:
        NotMeasured: nothing was relearnt, or nothing had been lost.
    """
    end, lost = recovered_accuracy(accuracy), original_accuracy - float(accuracy[0])
    if lost <= 0:
        raise NotMeasured("unlearning lost no accuracy on the forget set")
    return (end - float(accuracy[0])) / lost


def prototype_relearning(
    features: FloatArray, labels: IntArray, queries: FloatArray, query_labels: IntArray
) -> float:
    """Accuracy on forgotten samples when each class is the mean of a few embeddings.

    `features` [n, d] with `labels` [n] are the unlearned model's embeddings of retained samples and
    of the few forgotten ones that an attacker has; `queries` [m, d] those of other forgotten
    samples. The nearest mean by Euclidean distance answers, the smaller class of equals. Nothing is
    trained: a head-only edit does not withstand it. Compare with the oracle's.
    Direction: neither, see the oracle's; range: [0, 1]; paper: PMLR v306, Unlearning's Blind Spots.

    Raises:
        NotMeasured: there are no samples or queries.
        ClbenchError: numbers of samples, labels or columns disagree.
    """
    _matched(features, labels, queries, query_labels)
    classes, index = np.unique(labels, return_inverse=True)
    means = np.zeros((len(classes), features.shape[1]))
    np.add.at(means, index, features)
    means /= np.bincount(index)[:, None]
    apart = (means**2).sum(axis=1) - 2 * np.asarray(queries, dtype=np.float64) @ means.T
    return float((classes[apart.argmin(axis=1)] == query_labels).mean())


def _first(reached: np.typing.NDArray[np.bool_], what: str) -> float:
    if not reached.any():
        raise NotMeasured(f"{what} was not reached within {max(len(reached) - 1, 0)} steps")
    return float(reached.argmax())


def _matched(
    features: FloatArray, labels: IntArray, queries: FloatArray, query_labels: IntArray
) -> None:
    rows = len(features) == len(labels) and len(queries) == len(query_labels)
    if not rows or features.shape[1:] != queries.shape[1:]:
        raise ClbenchError(
            "embeddings [n, d] come with n labels; got shapes "
            f"{features.shape} and {labels.shape}, {queries.shape} and {query_labels.shape}"
        )
    if not (len(labels) and len(query_labels)):
        raise NotMeasured(f"{len(labels)} embedded samples, {len(query_labels)} queries")
