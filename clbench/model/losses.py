"""Losses that several methods share."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

Distance = Callable[[Tensor, Tensor], Tensor]


def distillation(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """T^2 KL(softmax(teacher / T) || softmax(student / T)), mean over the batch (1503.02531).

    Both are logits [B, C] over the same classes; the factor keeps gradients comparable over T.
    """
    return temperature**2 * F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="batchmean",
        log_target=True,
    )


def local_cross_entropy(logits: Tensor, y: Tensor, new: Tensor) -> Tensor:
    """Cross-entropy of a softmax over the new classes alone (2203.17269), mean over the batch.

    `logits` [B, C], labels `y` [B], labels `new` [N]. Rows of the head for other classes get no
    gradient, so that training on new classes does not push old ones down. An old class that comes
    again is in the softmax of its batch, as all are where no class is known to be new.
    """
    classes = torch.cat([new, y]).unique()
    return F.cross_entropy(logits[:, classes], torch.searchsorted(classes, y))


def sigmoid_cross_entropy(logits: Tensor, y: Tensor, new: Tensor) -> Tensor:
    """Binary cross-entropy of each new class against the rest, summed over them (1611.07725).

    `logits` [B, C], labels `y` [B], labels `new` [N]; mean over the batch. As in
    `local_cross_entropy`, other classes get no gradient, but for one that comes again.
    """
    classes = torch.cat([new, y]).unique()
    targets = F.one_hot(y, logits.shape[1])[:, classes].to(logits.dtype)
    return _binary(logits[:, classes], targets)


def sigmoid_distillation(student: Tensor, teacher: Tensor) -> Tensor:
    """Binary cross-entropy on the teacher's sigmoids, summed over classes, mean over the batch.

    Both are logits [B, C] over the same classes (1611.07725).
    """
    return _binary(student, teacher.sigmoid())


def _binary(logits: Tensor, targets: Tensor) -> Tensor:
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
    return loss / max(1, len(logits))


def focal_distillation(
    student: Tensor, teacher: Tensor, right: Tensor, base: float, focus: float, distance: Distance
) -> Tensor:
    """Distillation that counts more where the teacher is right, mean over the batch (2011.09161).

    Each sample weighs base + focus where the teacher's answer is `right` [B], base elsewhere. Both
    logits are [B, C] over the same classes, `distance` gives one number [B] for each sample.
    """
    weights = base + focus * right.to(student.dtype)
    return (weights * distance(student, teacher)).mean()


def softened_divergence(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """KL(softmax(teacher / T) || softmax(student / T)) of each sample, [B, C] to [B]."""
    return F.kl_div(
        F.log_softmax(student / temperature, dim=1),
        F.log_softmax(teacher / temperature, dim=1),
        reduction="none",
        log_target=True,
    ).sum(1)


def logit_difference(student: Tensor, teacher: Tensor) -> Tensor:
    """Half of the mean square difference of logits over classes, [B, C] to [B] (2011.09161)."""
    return (student - teacher).square().mean(1) / 2


def top_logit_difference(student: Tensor, teacher: Tensor, k: int) -> Tensor:
    """`logit_difference` over the k classes that the teacher's logits are highest on (2205.06265).

    Of fewer classes, over all of them.
    """
    highest, classes = teacher.topk(min(k, teacher.shape[1]), dim=1)
    return logit_difference(student.gather(1, classes), highest)
