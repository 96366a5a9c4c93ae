"""The flip table: five counts from which every measure of update compatibility follows.

Ratios do not pool over updates, seeds or tasks; counts do. So tables are added, and ratios are
taken last.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import sqrt

import numpy as np
import numpy.typing as npt

from clbench.errors import ClbenchError
from clbench.metric.base import NotMeasured
from clbench.statistics import Interval, mcnemar, wilson

IntArray = npt.NDArray[np.integer]


@dataclass(frozen=True)
class FlipTable:
    """How the answers to n questions changed from an old model to a new one.

    Every ratio raises NotMeasured where its denominator is 0.
    """

    nf: int = 0  # negative flips: old right, new wrong
    pf: int = 0  # positive flips: old wrong, new right
    rr: int = 0  # both right
    ws: int = 0  # both wrong, same answer
    wd: int = 0  # both wrong, different answer

    def __add__(self, other: "FlipTable") -> "FlipTable":
        return FlipTable(
            self.nf + other.nf,
            self.pf + other.pf,
            self.rr + other.rr,
            self.ws + other.ws,
            self.wd + other.wd,
        )

    @property
    def n(self) -> int:
        """Questions."""
        return self.nf + self.pf + self.rr + self.ws + self.wd

    @property
    def old_accuracy(self) -> float:
        """Share of questions that the old model got right."""
        return self._share(self.nf + self.rr)

    @property
    def new_accuracy(self) -> float:
        """Share of questions that the new model got right."""
        return self._share(self.pf + self.rr)

    @property
    def negative_flip_rate(self) -> float:
        """NF / n (Yan et al. 2021, 2011.09161)."""
        return self._share(self.nf)

    @property
    def positive_flip_rate(self) -> float:
        """PF / n."""
        return self._share(self.pf)

    @property
    def negative_flip_rate_bounds(self) -> tuple[float, float]:
        """What the two accuracies alone force: max(0, err_new - err_old), min(acc_old, err_new)."""
        old, new = self.old_accuracy, self.new_accuracy
        return max(0.0, old - new), min(old, 1 - new)

    @property
    def negative_flip_rate_interval(self) -> Interval:
        """95 % Wilson interval of the negative flip rate."""
        self._share(0)
        return wilson(self.nf, self.n)

    @property
    def relative_negative_flip_rate(self) -> float:
        """NFR / (acc_old * err_new): 1 if the models erred independently (Yan et al. 2021)."""
        right, wrong = self.nf + self.rr, self.nf + self.ws + self.wd
        why = "the old model was never right" if not right else "the new model was never wrong"
        return _ratio(self.nf * self.n, right * wrong, why)

    @property
    def negative_flip_impact(self) -> float:
        """NF / (NF + WS + WD): new errors that are regressions (Cai et al. 2022)."""
        return _ratio(self.nf, self.nf + self.ws + self.wd, "the new model was never wrong")

    @property
    def relative_positive_flip_rate(self) -> float:
        """PFR / (err_old * acc_new): 1 if the models were right independently."""
        wrong, right = self.pf + self.ws + self.wd, self.pf + self.rr
        why = "the old model was never wrong" if not wrong else "the new model was never right"
        return _ratio(self.pf * self.n, wrong * right, why)

    @property
    def positive_flip_impact(self) -> float:
        """PF / (PF + RR): new right answers that are gains (Cai et al. 2022)."""
        return _ratio(self.pf, self.pf + self.rr, "the new model was never right")

    @property
    def win_loss_ratio(self) -> float:
        """PF / NF: gains for each loss (Milani Fard et al. 2016)."""
        return _ratio(self.pf, self.nf, "there was no negative flip")

    @property
    def negative_flip_rate_mc(self) -> float:
        """(NF + WD) / n: wrong, and not as before (Echterhoff et al. 2024)."""
        return self._share(self.nf + self.wd)

    @property
    def excess_negative_flip_rate(self) -> float:
        """NFR minus the least that the two accuracies force: min(NF, PF) / n."""
        return self._share(min(self.nf, self.pf))

    @property
    def both_right_rate(self) -> float:
        """RR / n."""
        return self._share(self.rr)

    @property
    def same_error_rate(self) -> float:
        """WS / n: both wrong, with one answer."""
        return self._share(self.ws)

    @property
    def changed_error_rate(self) -> float:
        """WD / n: both wrong, with another answer each."""
        return self._share(self.wd)

    @property
    def churn(self) -> float:
        """(NF + PF + WD) / n: the share of answers that changed (Milani Fard et al. 2016)."""
        return self._share(self.nf + self.pf + self.wd)

    @property
    def backward_trust_compatibility(self) -> float:
        """RR / (RR + NF): P(new right | old right) (Srivastava et al. 2020)."""
        return _ratio(self.rr, self.rr + self.nf, "the old model was never right")

    @property
    def backward_error_compatibility(self) -> float:
        """(WS + WD) / (NF + WS + WD): P(old wrong | new wrong) (Srivastava et al. 2020)."""
        wrong = self.ws + self.wd
        return _ratio(wrong, self.nf + wrong, "the new model was never wrong")

    @property
    def accuracy_change(self) -> float:
        """Accuracy of the new model minus that of the old one = PFR - NFR."""
        return self._share(self.pf - self.nf)

    @property
    def accuracy_change_error(self) -> float:
        """Standard error of the accuracy change, paired."""
        flips, change = self._share(self.nf + self.pf), self.accuracy_change
        return sqrt((flips - change**2) / self.n)

    @property
    def mcnemar(self) -> float:
        """Two-sided p-value of McNemar's test that both models are equally often right."""
        self._share(0)
        return mcnemar(self.nf, self.pf)

    def _share(self, count: int) -> float:
        return _ratio(count, self.n, "no sample was put to both models")


def flip_table(labels: IntArray, old: IntArray, new: IntArray) -> FlipTable:
    """Count the flips between two models' answers [n] to the same questions with `labels` [n]."""
    if not labels.shape == old.shape == new.shape:
        raise ClbenchError(
            f"flips need as many answers as labels; labels have shape {labels.shape}, "
            f"old answers {old.shape}, new answers {new.shape}"
        )
    before, after, same = old == labels, new == labels, old == new
    rr = int(np.count_nonzero(before & after))
    nf = int(np.count_nonzero(before)) - rr
    pf = int(np.count_nonzero(after)) - rr
    ws = int(np.count_nonzero(same)) - rr
    return FlipTable(nf, pf, rr, ws, len(labels) - nf - pf - rr - ws)


def pooled(tables: Iterable[FlipTable]) -> FlipTable:
    """The table of all questions of the given ones."""
    return sum(tables, FlipTable())


def _ratio(numerator: int, denominator: int, why: str) -> float:
    if denominator == 0:
        raise NotMeasured(why)
    return numerator / denominator
