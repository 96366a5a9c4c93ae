"""Membership attacks that fit a classifier on retained and test samples and ask it of others.

As all population attacks they have no good direction of their own: what counts is how far they get
on an oracle. Where the published code fits on the first samples of a loader, these draw: samples
may be stored class by class.
"""

import numpy as np
from scipy.special import softmax

from clbench.metric.base import NotMeasured
from clbench.metric.margins import AnyFloats, FloatArray

MOST = 1000  # samples a side that a boosted attack is fitted on
TREES = 100


def entropy_membership(retain: AnyFloats, test: AnyFloats, forget: AnyFloats) -> float:
    """Share of the forget set that logistic regression on entropies takes for members.

    Entropies [n] of predictions, in nats. Fitted on all retained (members) and test samples, both
    sides with the same weight however many they are; the forget set takes no part in the fit. The
    paper calls lower better; below the oracle's share, samples look less seen than unseen ones.
    Direction: neither, see the oracle's; range: [0, 1]; paper: arXiv:2205.08096.

    Raises:
        NotMeasured: there are no retained, test or forgotten samples.
    """
    from sklearn.linear_model import LogisticRegression

    sides = [np.asarray(each, dtype=np.float64)[:, None] for each in (retain, test, forget)]
    _check(*map(len, sides))
    truth = np.repeat([1, 0], [len(sides[0]), len(sides[1])])
    machine = LogisticRegression(class_weight="balanced").fit(np.concatenate(sides[:2]), truth)
    return float(machine.predict(sides[2]).mean())


def boosted_attack(
    retain: AnyFloats, test: AnyFloats, forget: AnyFloats, most: int = MOST, seed: int = 0
) -> float:
    """Attack success rate of LAF: accuracy of boosted trees on sorted softmax outputs.

    From logits [n, C]. The trees are fitted on as many retained samples (members) as half of the
    test samples, at most `most` a side, and judged on as many forgotten samples (members) as the
    test samples of the other half; all drawn by `seed`. The paper takes XGBoost with 100 trees of
    its defaults; here scikit-learn's histogram trees, with the same number, depth, rate and
    penalty. The published code fits on unequal sides.
    Direction: neither, 0.5 tells nothing apart; range: [0, 1]; paper: arXiv:2404.00506.

    Raises:
        NotMeasured: there are no retained or forgotten samples, or fewer than 2 test samples.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    _check(len(retain), len(test) // 2, len(forget))
    rng, half = np.random.default_rng(seed), len(test) // 2
    members, others, judged = (rng.permutation(_sorted(each)) for each in (retain, test, forget))
    size = min(len(members), half, most)
    machine = HistGradientBoostingClassifier(
        max_iter=TREES, learning_rate=0.3, max_depth=6, l2_regularization=1.0,
        max_leaf_nodes=None, min_samples_leaf=1, early_stopping=False,
    )  # fmt: skip
    machine.fit(np.concatenate([members[:size], others[:size]]), np.repeat([1, 0], size))
    count = min(len(judged), len(others) - half)
    asked = np.concatenate([judged[:count], others[half:][:count]])
    return float((machine.predict(asked) == np.repeat([1, 0], count)).mean())


def _sorted(logits: AnyFloats) -> FloatArray:
    """Softmax outputs [n, C] in ascending order: which class they are of does not matter."""
    return np.sort(softmax(np.asarray(logits, dtype=np.float64), axis=1), axis=1)


def _check(retain: int, test: int, forget: int) -> None:
    if not (retain and test and forget):
        raise NotMeasured(f"{retain} retained, {test} test, {forget} to forget to attack with")
