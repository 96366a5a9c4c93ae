"""How a method forgets: what it was asked to, from what it is granted, by what it carries."""

from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch

from clbench import state
from clbench.checks import second
from clbench.checks.base import BrokenContract
from clbench.checks.second import Bytes, learnt
from clbench.cost import FlopMeter
from clbench.grants import grants
from clbench.method import Method
from clbench.play import Run
from clbench.source.base import IntArray, Source, Split
from clbench.subject import Subject, digits, forgetting_stream, garbled


def forgetting_nothing_changes_nothing(subject: Subject) -> None:
    """A request for no samples leaves the state as it is."""
    with begun(subject, empty=True) as run:
        before = learnt(run)
        after = state.pack(forgotten(run, before).state())
    if before != after:
        raise BrokenContract(
            "a request to forget nothing changes its state; begin forget(view) with "
            "`if not len(view): return`"
        )


def forgetting_reads_only_what_is_granted(subject: Subject) -> None:
    """Samples and labels that a forget update does not grant can be anything."""
    with begun(subject) as run:
        carried = learnt(run)
        expected = state.pack(forgotten(run, carried).state())
        granted, labelled = shown(run, subject)
    with begun(subject, hidden(run, granted, labelled)) as run:
        if state.pack(forgotten(run, carried, granted).state()) != expected:
            raise BrokenContract(
                "what it is after forgetting depends on samples or labels that the update does "
                "not grant; use what view.batches(), view.retained() and view.pairs() hand out"
            )


def forgetting_repeats_itself(subject: Subject) -> None:
    """Forgetting again from the same state with the same seed gives the same bytes."""
    with begun(subject) as run:
        second.repeats_itself(run, "forgetting")


def forgets_by_what_it_carries(subject: Subject) -> None:
    """Made anew from its state before and after forgetting, it answers as if it had lived on."""
    with begun(subject) as run:
        second.goes_by_what_it_carries(run, "forgetting", "forget", ("predict",))


def forgetting_leaves_the_source_as_it_was(subject: Subject) -> None:
    """Forgetting writes neither samples nor labels."""
    with begun(subject) as run:
        second.leaves_the_source_as_it_was(run, "forgetting")


def begun(
    subject: Subject, source: Source | None = None, *, empty: bool = False
) -> AbstractContextManager[Run]:
    """A run of the small stream that learns and forgets, or is asked to forget nothing."""
    stream = forgetting_stream(subject.card)
    if empty:
        none = np.zeros(0, dtype=np.int64)
        request = replace(stream.updates[1], samples=none, classes=none)
        stream = replace(stream, updates=(stream.updates[0], request))
    return subject.run(source, stream)


def forgotten(run: Run, carried: Bytes, granted: IntArray | None = None) -> Method:
    """The method after the forget update, from what it carried to it."""
    method = run.rebuilt(carried)
    view = run.update(method, 2, FlopMeter())
    if granted is not None:
        beyond = view.read.clone()
        beyond[torch.from_numpy(granted)] = False
        if bool(beyond.any()):
            raise BrokenContract(
                "the view handed out samples that a forget update does not grant; "
                "do not write to a view's attributes"
            )
    return method


def shown(run: Run, subject: Subject) -> tuple[IntArray, bool]:
    """Ids that the forget update grants, and whether it gives labels of what is to be forgotten."""
    found = grants(run.stream, 2, subject.card, run.record.method.granted)
    parts = [found.update.samples if found.shown else None, found.retained, found.past]
    ids = [part for part in parts if part is not None]
    labelled = found.labelled or found.past is not None  # the past has its own
    return (np.unique(np.concatenate(ids)) if ids else np.zeros(0, dtype=np.int64)), labelled


def hidden(run: Run, granted: IntArray, labelled: bool) -> Source:
    """The source with all that is not granted replaced: other samples, and labels not given."""
    made = garbled(digits(), granted)
    if labelled:
        return made
    y, ids = made.train.y.copy(), run.stream.updates[1].samples
    y[ids] = (y[ids] + 1) % 6  # of another class that was learnt
    return replace(made, train=Split(made.train.x, y))
