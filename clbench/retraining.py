"""What training anew would cost: the measure of a forget update's budget."""

from collections.abc import Sequence

from clbench.errors import ClbenchError
from clbench.stream import Stream


def retraining_flops(stream: Stream, version: int, spent: Sequence[int]) -> float:
    """FLOPs of training anew what a version is to retain.

    `spent` [version - 1] are the FLOPs of the updates before the one that makes it. Those of the
    learn updates count, in proportion to the samples that are left of all that were learnt; a
    sample that is learnt twice counts twice.

    Raises:
        ClbenchError: the learn updates cost nothing that is counted, so that a share of it is none.
    """
    before = zip(stream.updates[: version - 1], spent, strict=True)
    learned = [(len(u.samples), flops) for u, flops in before if u.kind == "learn"]
    samples, flops = sum(n for n, _ in learned), sum(cost for _, cost in learned)
    if not flops:
        raise ClbenchError(
            f"{stream.name} allows a share of the FLOPs of training anew, and the learn updates "
            "before its forget update cost none; leave retrain_share out"
        )
    return flops * len(stream.retained(version)) / samples
