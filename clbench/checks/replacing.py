"""How a newer version takes over: from what the update grants, by what the method carries."""

import torch

from clbench import state
from clbench.checks.base import BrokenContract, close, suspects
from clbench.cost import FlopMeter
from clbench.method import Method
from clbench.play import Run
from clbench.subject import Subject, digits, garbled, inputs, played, replacing_stream

Bytes = dict[str, bytes]


def replacing_repeats_itself(subject: Subject) -> None:
    """Replacing again from the same state with the same seed gives the same bytes."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        carried = _first(run)
        one, two = (state.pack(_replaced(run, carried).state()) for _ in range(2))
    if one != two:
        raise BrokenContract(
            "replacing twice from one state with one seed gives two results; "
            "draw from view.generator or torch's global generator alone"
        )


def replaces_by_what_it_carries(subject: Subject) -> None:
    """Made anew from its state before and after, it answers as if it had lived on."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        living, x = played(run, 1, carry=False), inputs(run)
        remade = run.rebuilt(state.pack(_replaced(run, _first(run)).state()))
        run.update(living, 2, FlopMeter())
        for ask in ("predict", "embed"):
            close(
                getattr(living, ask)(x.clone()),
                getattr(remade, ask)(x.clone()),
                f"{ask}, after replacing by a method that lived on or was made anew,",
                f"carry what replace() uses, or make it in build(){suspects(living, run.built())}",
            )


def replacing_reads_only_what_is_granted(subject: Subject) -> None:
    """Samples that the update does not grant can be anything."""
    stream = replacing_stream(subject.card)
    with subject.run(stream=stream) as run:
        carried = _first(run)
        expected = state.pack(_replaced(run, carried).state())
    granted = stream.updates[1].samples  # the older version's are among them
    with subject.run(garbled(digits(), granted), stream) as run:
        if state.pack(_replaced(run, carried).state()) != expected:
            raise BrokenContract(
                "what it is after replacing depends on samples that the update does not grant; "
                "use what view.batches() and view.chunks() hand out"
            )


def replacing_leaves_the_source_as_it_was(subject: Subject) -> None:
    """Replacing writes neither samples nor labels."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        samples, carried = run.samples["train"], _first(run)
        ids = torch.arange(len(samples))
        before = samples.gather(ids).clone(), samples.y.clone()
        _replaced(run, carried)
        if not (torch.equal(samples.gather(ids), before[0]) and torch.equal(samples.y, before[1])):
            raise BrokenContract(
                "replacing changes the source's samples or labels in place; "
                "write to the batches that the view hands out"
            )


def _first(run: Run) -> Bytes:
    """What the method carries of its first version."""
    return state.pack(played(run, 1).state())


def _replaced(run: Run, carried: Bytes) -> Method:
    """The method after the update in which a newer version takes over."""
    method = run.rebuilt(carried)
    run.update(method, 2, FlopMeter())
    return method
