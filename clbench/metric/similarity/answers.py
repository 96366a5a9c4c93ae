"""How alike two models answer the same samples, whatever is inside."""

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.metric.output_distance import jensen_shannon

IntArray = npt.NDArray[np.integer]
BoolArray = npt.NDArray[np.bool_]

__all__ = ["disagreement", "error_consistency", "jensen_shannon", "scaled_disagreement"]


def disagreement(first: IntArray, second: IntArray) -> float:
    """Share of samples that two models answer differently: answers [n] and [n].

    Direction: lower; range: [0, 1]; paper: arXiv:1912.02757.

    Raises:
        ClbenchError: the answers are not to as many samples.
        NotMeasured: there are none.
    """
    _check(first, second)
    return float((first != second).mean())


def scaled_disagreement(first: IntArray, second: IntArray, labels: IntArray) -> float:
    """Disagreement between the least (0) and the most (1) that the two error rates allow.

    Direction: lower; range: [0, 1]; paper: arXiv:2305.06329.

    Raises:
        ClbenchError: the answers are not to as many samples.
        NotMeasured: there are none, or the error rates leave no room.
    """
    _check(first, labels)
    found = disagreement(first, second)
    errors = float((first != labels).mean()), float((second != labels).mean())
    least, most = abs(errors[0] - errors[1]), min(sum(errors), 1.0)
    if most <= least:
        raise NotMeasured("the error rates alone decide how often the models disagree")
    return (found - least) / (most - least)


def error_consistency(first: BoolArray, second: BoolArray) -> float:
    """Cohen's kappa of being right: how far two models err on the same samples beyond chance.

    `first` and `second` [n] say which answers are right. (c - e) / (1 - e), c the share of samples
    on which both are right or both wrong, e that of independent models of the same accuracies.
    Direction: higher; range: [-1, 1], 0 for independent errors; paper: arXiv:2006.16736.

    Raises:
        ClbenchError: the answers are not to as many samples.
        NotMeasured: there are none; or both are always right, or both always wrong.
    """
    _check(first, second)
    p, q = float(first.mean()), float(second.mean())
    expected = p * q + (1 - p) * (1 - q)
    if expected == 1:
        raise NotMeasured("both models are always right, or both always wrong")
    return (float((first == second).mean()) - expected) / (1 - expected)


def _check(first: npt.NDArray[np.generic], second: npt.NDArray[np.generic]) -> None:
    if first.ndim != 1 or first.shape != second.shape:
        raise ClbenchError(
            f"answers [n] to the same samples; got shapes {first.shape} and {second.shape}"
        )
    if not len(first):
        raise NotMeasured("there are no samples")
