"""Update compatibility of a run: its flip tables added up over all updates.

Each update compares two consecutive versions on the samples that the older one had learnt; on
others it is always wrong, and every change would be a gain. `flips` is [V - 1] tables; `correct`
and `known` are [V] of [n_v], samples of an earlier version being the first of a later one's.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured, metric
from clbench.metric.flip_table import FlipTable, pooled

BoolArray = npt.NDArray[np.bool_]


@metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def negative_flip_rate(flips: Sequence[FlipTable]) -> float:
    """Share of answers that were right before an update and wrong after it: NF / n."""
    return pooled(flips).negative_flip_rate


@metric(direction="higher", range=(0, 1), paper="arXiv:2011.09161")
def positive_flip_rate(flips: Sequence[FlipTable]) -> float:
    """Share of answers that were wrong before an update and right after it: PF / n."""
    return pooled(flips).positive_flip_rate


@metric(direction="lower", range=(0, float("inf")), paper="arXiv:2011.09161", unit="ratio")
def relative_negative_flip_rate(flips: Sequence[FlipTable]) -> float:
    """Negative flips relative to two models of the same accuracies that err independently.

    NFR / (acc_old * err_new); below 1 is better than chance. Not measured where the old model was
    never right or the new one never wrong.
    """
    return pooled(flips).relative_negative_flip_rate


@metric(direction="lower", range=(0, 1), paper="arXiv:2202.02976")
def negative_flip_impact(flips: Sequence[FlipTable]) -> float:
    """Share of the errors after an update that were right before: NF / (NF + WS + WD)."""
    return pooled(flips).negative_flip_impact


@metric(direction="higher", range=(0, float("inf")), paper="arXiv:2011.09161", unit="ratio")
def relative_positive_flip_rate(flips: Sequence[FlipTable]) -> float:
    """Positive flips relative to two models of the same accuracies that are right independently.

    PFR / (err_old * acc_new). Not measured where the old model was never wrong or the new one never
    right.
    """
    return pooled(flips).relative_positive_flip_rate


@metric(direction="higher", range=(0, 1), paper="arXiv:2202.02976")
def positive_flip_impact(flips: Sequence[FlipTable]) -> float:
    """Share of the right answers after an update that were wrong before: PF / (PF + RR)."""
    return pooled(flips).positive_flip_impact


@metric(
    direction="higher",
    range=(0, float("inf")),
    paper="NeurIPS 2016, Launch and Iterate",
    unit="ratio",
)
def win_loss_ratio(flips: Sequence[FlipTable]) -> float:
    """Answers that updates turned right for each that they turned wrong: PF / NF."""
    return pooled(flips).win_loss_ratio


@metric(direction="lower", range=(0, 1), paper="arXiv:2407.09435")
def negative_flip_rate_mc(flips: Sequence[FlipTable]) -> float:
    """Share of answers that are wrong after an update and were another before: (NF + WD) / n.

    A changed error is a regression, too, to those who had learnt to live with the old one.
    """
    return pooled(flips).negative_flip_rate_mc


@metric(direction="lower", range=(0, 0.5), paper="arXiv:2011.09161")
def excess_negative_flip_rate(flips: Sequence[FlipTable]) -> float:
    """Negative flips beyond those that the change of accuracy forces: min(NF, PF) / n.

    NFR - max(0, err_new - err_old), the accuracies being those over all updates.
    """
    return pooled(flips).excess_negative_flip_rate


@metric(direction="higher", range=(0, 1), paper="arXiv:2011.09161")
def both_right_rate(flips: Sequence[FlipTable]) -> float:
    """Share of answers that were right before an update and after it: RR / n."""
    return pooled(flips).both_right_rate


@metric(direction="lower", range=(0, 1), paper="arXiv:2407.09435")
def same_error_rate(flips: Sequence[FlipTable]) -> float:
    """Share of answers that an update left wrong as they were: WS / n."""
    return pooled(flips).same_error_rate


@metric(direction="lower", range=(0, 1), paper="arXiv:2407.09435")
def changed_error_rate(flips: Sequence[FlipTable]) -> float:
    """Share of answers that an update turned from wrong to wrong in another way: WD / n."""
    return pooled(flips).changed_error_rate


@metric(direction="lower", range=(0, 1), paper="NeurIPS 2016, Launch and Iterate")
def churn(flips: Sequence[FlipTable]) -> float:
    """Share of answers that an update changed, right or wrong: (NF + PF + WD) / n."""
    return pooled(flips).churn


@metric(direction="higher", range=(0, 1), paper="arXiv:2008.04572")
def backward_trust_compatibility(flips: Sequence[FlipTable]) -> float:
    """Share of right answers that an update kept right: P(new right | old right)."""
    return pooled(flips).backward_trust_compatibility


@metric(direction="higher", range=(0, 1), paper="arXiv:2008.04572")
def backward_error_compatibility(flips: Sequence[FlipTable]) -> float:
    """Share of errors after an update that are not new: P(old wrong | new wrong)."""
    return pooled(flips).backward_error_compatibility


@metric(direction="neither", range=(0, 1), paper="doi:10.1007/BF02295996", unit="p-value")
def mcnemar_last_update(flips: Sequence[FlipTable]) -> float:
    """P-value that the last update gained as many right answers as it lost (McNemar).

    Two-sided; exact binomial below 25 flips, else normal.
    """
    if not flips:
        raise NotMeasured("there was no update")
    return flips[-1].mcnemar


@metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def ever_lost(correct: Sequence[BoolArray], known: Sequence[BoolArray]) -> float:
    """Share of samples that some update flipped from right to wrong, regained later or not.

    Of the samples learnt before the last update.
    """
    lost = np.zeros(_samples(known), dtype=bool)
    for old, new, had in zip(correct, correct[1:], known, strict=False):
        lost[: len(old)] |= had & old & ~new[: len(old)]
    return _share(lost, known)


@metric(direction="lower", range=(0, 1), paper="arXiv:2011.09161")
def lost_for_ever(correct: Sequence[BoolArray], known: Sequence[BoolArray]) -> float:
    """Share of samples that were right after some update and are wrong at the end.

    Of the samples learnt before the last update: flipped negative, and not regained.
    """
    right = np.zeros(_samples(known), dtype=bool)
    for old, had in zip(correct[:-1], known, strict=False):
        right[: len(old)] |= had & old
    return _share(right & ~correct[-1][: len(right)], known)


def _samples(known: Sequence[BoolArray]) -> int:
    """Samples put to the last version but one."""
    if len(known) < 2:
        raise NotMeasured("there was no update")
    return len(known[-2])


def _share(lost: BoolArray, known: Sequence[BoolArray]) -> float:
    """Lost samples over those learnt before the last update."""
    if not known[-2].any():
        raise NotMeasured("no sample was learnt before the last update")
    return float(lost.sum() / known[-2].sum())
