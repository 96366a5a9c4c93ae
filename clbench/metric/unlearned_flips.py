"""Answers that unlearning changed, and answers that differ from the oracles'.

Accuracies can stay as they are while answers change. Model i is compared with the original i that
it was unlearned from; arrays are [N, n] by evaluation set.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from clbench.metric.collateral import negative_flips
from clbench.metric.group import group_metric
from clbench.metric.output_distance import churn_to_oracle

BySet = Mapping[str, npt.NDArray[np.integer]]


@group_metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def retain_negative_flips(predicted: BySet, original_predicted: BySet, labels: BySet) -> float:
    """Share of retained training samples that unlearning turned from right to wrong.

    The null has it, too: retraining gives other answers.
    """
    return _flips("retain", predicted, original_predicted, labels)


@group_metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161", headline=True)
def test_negative_flips(predicted: BySet, original_predicted: BySet, labels: BySet) -> float:
    """Share of test samples of what is kept that unlearning turned from right to wrong."""
    return _flips("test", predicted, original_predicted, labels)


@group_metric(direction="neither", range=(0, 1), paper="NeurIPS 2016, Launch and Iterate")
def forget_oracle_churn(predicted: BySet, oracle_predicted: BySet) -> float:
    """Share of answers on what was to be forgotten that differ, mean over pairs with an oracle."""
    return churn_to_oracle(predicted["forget"], oracle_predicted["forget"])


@group_metric(direction="lower", range=(0, 1), paper="NeurIPS 2016, Launch and Iterate")
def test_oracle_churn(predicted: BySet, oracle_predicted: BySet) -> float:
    """Share of answers on test samples that differ, mean over all pairs with an oracle."""
    return churn_to_oracle(predicted["test"], oracle_predicted["test"])


def _flips(name: str, predicted: BySet, original: BySet, labels: BySet) -> float:
    before, after = (each[name] == labels[name] for each in (original, predicted))
    return negative_flips(before, after)
