"""Online streams: pieces of one long sequence."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.stream import Protocol
from small import learned, source, stream

ONLINE = Protocol(online=True)


def test_pieces_are_of_one_size_but_the_last() -> None:
    plan = stream("online", protocol=ONLINE, increment=2, every=7)
    assert [len(update.samples) for update in plan.updates] == [7] * 8 + [4]


def test_groups_follow_each_other_and_are_shuffled_inside() -> None:
    sequence = source().train.y[learned(stream("online", protocol=ONLINE, increment=2, every=7))]
    np.testing.assert_array_equal(sequence // 2, np.repeat([0, 1, 2], 20))
    assert (np.diff(sequence[:20]) != 0).sum() > 1


def test_a_group_is_asked_once_both_of_its_classes_were_seen() -> None:
    plan = stream("online", protocol=ONLINE, increment=2, every=1)
    y = source().train.y[learned(plan)]
    for i, each in enumerate(plan.evals):
        first = [int(np.flatnonzero(y == label)[0]) for label in (2 * i, 2 * i + 1)]
        assert each.since == 1 + max(first)


def test_what_cannot_be_made() -> None:
    with pytest.raises(ClbenchError, match="the generator online needs protocol online=true"):
        stream("online", increment=2, every=7)
    with pytest.raises(ClbenchError, match="every must be a whole number, 1 or more; got 0"):
        stream("online", protocol=ONLINE, increment=2, every=0)
    with pytest.raises(ClbenchError, match="6 classes do not divide"):
        stream("online", protocol=ONLINE, increment=4, every=7)
