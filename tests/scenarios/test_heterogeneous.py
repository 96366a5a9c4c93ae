"""Streams of several data sets."""

import numpy as np
import pytest

from clbench.errors import ClbenchError
from clbench.source.base import Source, open_source
from clbench.spec import parse_spec
from clbench.stream import Protocol
from small import source, stream

TASKS = Protocol(setting="task-incremental", task_ids=True)
SPEC = "joined,sources=[synthetic,classes=3,per_class=4;synthetic,classes=2,per_class=6]"


def joined() -> Source:
    return open_source(parse_spec(SPEC))


def test_each_update_is_a_data_set_with_classes_of_its_own() -> None:
    plan = stream("heterogeneous", joined(), TASKS)
    assert [update.classes.tolist() for update in plan.updates] == [[0, 1, 2], [3, 4]]
    assert [update.task for update in plan.updates] == [0, 1]
    assert [len(update.samples) for update in plan.updates] == [12, 12]
    assert [each.classes.tolist() for each in plan.evals] == [[0, 1, 2], [3, 4]]


def test_the_order_is_that_of_data_sets() -> None:
    plan = stream("heterogeneous", joined(), TASKS, order=[1, 0])
    assert plan.class_order.tolist() == [3, 4, 0, 1, 2]
    np.testing.assert_array_equal(plan.updates[0].samples, np.arange(12, 24))


def test_what_cannot_be_made() -> None:
    with pytest.raises(ClbenchError, match="has no labelling origin; join sources by joined"):
        stream("heterogeneous", source())
    shared = open_source(parse_spec("shifted,source=[synthetic,classes=3],by=permute"))
    with pytest.raises(ClbenchError, match="the parts of domain share classes"):
        stream("heterogeneous", shared, by="domain")
