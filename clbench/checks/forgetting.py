"""How a method forgets: what it was asked to, from what it is granted, by what it carries."""

from contextlib import AbstractContextManager
from dataclasses import replace

import numpy as np
import torch

from clbench import state
from clbench.checks.base import BrokenContract, close, suspects
from clbench.cost import FlopMeter
from clbench.grants import grants
from clbench.method import Method
from clbench.play import Run
from clbench.source.base import IntArray, Source, Split
from clbench.subject import Subject, digits, forgetting_stream, garbled, inputs, played

Bytes = dict[str, bytes]


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
        carried = learnt(run)
        one, two = (state.pack(forgotten(run, carried).state()) for _ in range(2))
    if one != two:
        raise BrokenContract(
            "forgetting twice from one state with one seed gives two results; "
            "draw from view.generator or torch's global generator alone"
        )


def forgets_by_what_it_carries(subject: Subject) -> None:
    """Made anew from its state before and after forgetting, it answers as if it had lived on."""
    with begun(subject) as run:
        living, x = played(run, 1, carry=False), inputs(run)
        carried = state.pack(living.state())
        remade = run.rebuilt(state.pack(forgotten(run, carried).state()))
        run.update(living, 2, FlopMeter())
        close(
            living.predict(x.clone()),
            remade.predict(x.clone()),
            "predict, after forgetting by a method that lived on or was made anew,",
            f"carry what forget() uses, or make it in build(){suspects(living, run.built())}",
        )


def forgetting_leaves_the_source_as_it_was(subject: Subject) -> None:
    """Forgetting writes neither samples nor labels."""
    with begun(subject) as run:
        samples, carried = run.samples["train"], learnt(run)
        ids = torch.arange(len(samples))
        before = samples.gather(ids).clone(), samples.y.clone()
        forgotten(run, carried)
        if not (torch.equal(samples.gather(ids), before[0]) and torch.equal(samples.y, before[1])):
            raise BrokenContract(
                "forgetting changes the source's samples or labels in place; "
                "write to the batches that the view hands out"
            )


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


def learnt(run: Run) -> Bytes:
    """What the method carries to its forget update."""
    return state.pack(played(run, 1).state())


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
