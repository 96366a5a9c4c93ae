"""Population membership attacks: one decision rule for all samples of one model.

They take any signal of `signals` or of the recorded margins. Rules are judged on samples that
they were not chosen on. An attack has no good direction of its own: what counts is its distance
from the same attack on an oracle, |attack(unlearned) - attack(oracle)|.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray
from clbench.metric.roc import scores

FOLDS = 5
SPLITS = 10  # of the NeurIPS 2023 starting kit
TEST_SHARE = 0.1


class Threshold(NamedTuple):
    """Says member at or above `at` where `above`, else below it."""

    at: float
    above: bool

    def __call__(self, signal: FloatArray) -> npt.NDArray[np.bool_]:
        """Whether each is taken for a member."""
        return np.asarray((signal >= self.at) == self.above)


def best_threshold(members: AnyFloats, non_members: AnyFloats) -> Threshold:
    """The threshold and side of highest balanced accuracy on these signals [n], [m].

    It lies halfway between two neighbouring values. On the signals that chose it the accuracy is
    too high; see `threshold_attack`.
    Direction: neither; range: all numbers; paper: arXiv:1709.01604.
    """
    inside, outside = map(np.sort, scores(members, non_members))
    values = np.union1d(inside, outside)
    found = np.searchsorted(inside, values) / len(inside)
    gains = np.searchsorted(outside, values) / len(outside) - found  # of TPR over FPR at values
    best = int(np.abs(gains).argmax())
    at = (values[best] + values[max(best - 1, 0)]) / 2
    # a mean of neighbouring floats may round down to the lower one, which must stay below
    at = at if best == 0 or at > values[best - 1] else values[best]
    return Threshold(float(at), bool(gains[best] >= 0))


def threshold_attack(
    members: AnyFloats, non_members: AnyFloats, folds: int = FOLDS, seed: int = 0
) -> float:
    """Held-out balanced accuracy of the best threshold on a signal: members [n], others [m].

    Each fold is judged by the threshold and side that are best on the others, so both forgetting
    too little and too much are found.
    Direction: neither, 0.5 tells nothing apart; range: [0, 1]; paper: arXiv:1709.01604.

    Raises:
        NotMeasured: a side has fewer samples than folds.
    """
    sides = scores(members, non_members)
    if (fewest := min(map(len, sides))) < folds:
        raise NotMeasured(f"{folds} folds need as many samples a side; got {fewest}")
    hits = np.zeros(2)
    for held in zip(*(_folds(len(side), folds, seed) for side in sides), strict=True):
        kept = (np.delete(side, rows) for side, rows in zip(sides, held, strict=True))
        rule = best_threshold(*kept)
        hits += rule(sides[0][held[0]]).sum(), (~rule(sides[1][held[1]])).sum()
    return float((hits / [len(side) for side in sides]).mean())


def logistic_attack(members: AnyFloats, non_members: AnyFloats, seed: int = 0) -> float:
    """Mean held-out accuracy of logistic regression on losses: the NeurIPS 2023 starting kit's.

    As many of the larger side, drawn by `seed`, as the smaller has; 10 stratified splits, a tenth
    held out. Direction: neither, 0.5 tells nothing apart; range: [0, 1]; paper: arXiv:2406.09073.

    Raises:
        NotMeasured: a side has fewer than 10 samples.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import StratifiedShuffleSplit, cross_val_score

    sides = scores(members, non_members)
    if (size := min(map(len, sides))) < SPLITS:
        raise NotMeasured(f"needs at least {SPLITS} samples a side; got {size}")
    rng = np.random.default_rng(seed)
    signal = np.concatenate([rng.permutation(side)[:size] for side in sides])
    splits = StratifiedShuffleSplit(SPLITS, test_size=TEST_SHARE, random_state=seed)
    truth = np.repeat([1, 0], size)
    return float(cross_val_score(LogisticRegression(), signal[:, None], truth, cv=splits).mean())


def svc_mia_efficacy(
    retain: AnyFloats, test: AnyFloats, forget: AnyFloats, most: int = 2000
) -> float:
    """Share of the forget set that an RBF support vector machine takes for non-members.

    Fitted on equally many retained (members) and test samples: the first ones, at most `most` a
    side; C = 3, gamma = 1 / columns. Signals are [n] or [n, columns]; papers show the label's
    confidence, times 100. The forget set takes no part in the fit.
    Direction: neither, see the oracle's; range: [0, 1]; paper: arXiv:2304.04934.

    Raises:
        NotMeasured: there are no retained, test or forgotten samples.
    """
    from sklearn.svm import SVC

    size = min(len(retain), len(test), most)
    if not (size and len(forget)):
        raise NotMeasured(f"{len(retain)} retained, {len(test)} test, {len(forget)} to forget")
    known = np.concatenate([_columns(retain)[:size], _columns(test)[:size]])
    machine = SVC(C=3, kernel="rbf", gamma="auto").fit(known, np.repeat([1, 0], size))
    return float((machine.predict(_columns(forget)) == 0).mean())


def indiscernibility(attack: float) -> float:
    """1 - |attack - 0.5| / 0.5 of an attack's accuracy: 1 where it tells nothing apart.

    Direction: higher; range: [0, 1]; paper: arXiv:2410.01276.
    """
    return 1 - abs(attack - 0.5) / 0.5


def _columns(signal: AnyFloats) -> FloatArray:
    return np.asarray(signal, dtype=np.float64).reshape(len(signal), -1)


def _folds(n: int, folds: int, seed: int) -> Iterator[npt.NDArray[np.int64]]:
    yield from np.array_split(np.random.default_rng(seed).permutation(n), folds)
