"""Attacks that train: on all that was forgotten, or on a small share of what was ever learnt.

Recipe 1. None of these uses augmentation, a schedule or the method's own settings.

Relearn time (2201.05629; public code takes Adam at 1e-3 for up to 10 epochs): the network goes on
from its weights, on the forgotten samples alone. That code measures after every step; here it is
done five times an epoch and at its end, as measuring costs as much as a third of an epoch. Batches
of 32 are ours.

Recovery: 2405.17878 trains the head on 2 % of the data, the body frozen, and asks the forgotten
class. Here an attacker has 2 % of each class of what was forgotten and of what was retained, one
sample at least, and is asked the rest of what was forgotten. Of the head: a new one, from zero, so
that what an edit did to the old one does not count. Of all: the network goes on from its weights.
Optimiser and 10 epochs are those of public relearning code (SGD at 0.01, momentum 0.9, weight decay
1e-4, batches of 128); of 2 % of a small source these would be ten steps, so there are at least 200.
"""

import math

import torch
from torch import Generator, Tensor, nn
from torch.nn.functional import cross_entropy

from clbench.model.network import Network, evaluating
from clbench.model.training import Training
from clbench.relearnfile import Curve, Missing
from clbench.relearning.labelled import Labelled, batches, shuffled

RELEARN = Training(optimiser="adam", lr=1e-3, batch_size=32, epochs=10)
RECOVER = Training(lr=0.01, momentum=0.9, weight_decay=1e-4, batch_size=128, epochs=10)
SHARE = 0.02  # of each class, that an attacker has
LOOKS = 5  # at the forgotten samples, in an epoch
LEAST = 200  # steps of recovery


def relearning_curve(model: Network, forgotten: Labelled, generator: Generator) -> Curve | Missing:
    """Train a network on the forgotten samples, looking at them now and then; changes it."""
    model.train().requires_grad_(True)
    step, found = RELEARN.start(model), {0: _looked(model, forgotten)}
    epoch = len(batches(torch.arange(len(forgotten)), RELEARN.batch_size))
    every, total = math.ceil(epoch / LOOKS), RELEARN.epochs * epoch
    orders = shuffled(len(forgotten), RELEARN.batch_size, total, generator)
    for done, rows in enumerate(orders, start=1):
        x, y = forgotten.some(rows)
        step(cross_entropy(model(x), y))
        within = (done - 1) % epoch + 1
        if within % every == 0 or within == epoch:
            found[done] = _looked(model, forgotten)
    correct, loss = zip(*found.values(), strict=True)
    if not all(map(math.isfinite, loss)):
        return Missing(why="the loss of learning again was not finite")
    return Curve(epoch=epoch, steps=tuple(found), correct=correct, loss=loss)


def recovered_head(features: Tensor, y: Tensor, width: int, generator: Generator) -> nn.Linear:
    """A new head for `width` classes, trained on the features [n, d] of samples with labels [n]."""
    head = nn.Linear(features.shape[1], width).to(features)
    nn.init.zeros_(head.weight), nn.init.zeros_(head.bias)
    step = RECOVER.start(head)
    for rows in shuffled(len(y), RECOVER.batch_size, recovery_steps(len(y)), generator):
        rows = rows.to(y.device)
        step(cross_entropy(head(features[rows]), y[rows]))
    return head


def recover(model: Network, taught: Labelled, generator: Generator) -> None:
    """Train all of a network on the few samples that an attacker has."""
    model.train().requires_grad_(True)
    step = RECOVER.start(model)
    steps = recovery_steps(len(taught))
    for rows in shuffled(len(taught), RECOVER.batch_size, steps, generator):
        x, y = taught.some(rows)
        step(cross_entropy(model(x), y))


def recovery_steps(n: int) -> int:
    """How many steps recovery takes from n samples."""
    epoch = len(batches(torch.arange(n), RECOVER.batch_size))
    return max(LEAST, RECOVER.epochs * epoch)


def judged(logits: Tensor, y: Tensor) -> tuple[int, float]:
    """How many logits [n, C] are right for labels [n], and the mean loss in nats."""
    return int((logits.argmax(1) == y).sum()), float(cross_entropy(logits.double(), y))


def _looked(model: Network, forgotten: Labelled) -> tuple[int, float]:
    with evaluating(model):
        return judged(forgotten.asked(model), forgotten.y)
