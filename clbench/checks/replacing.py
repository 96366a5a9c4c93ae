"""How a newer version takes over: from what the update grants, by what the method carries."""

from clbench import state
from clbench.checks import second
from clbench.checks.base import BrokenContract
from clbench.checks.second import learnt, updated
from clbench.subject import Subject, digits, garbled, replacing_stream


def replacing_repeats_itself(subject: Subject) -> None:
    """Replacing again from the same state with the same seed gives the same bytes."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        second.repeats_itself(run, "replacing")


def replaces_by_what_it_carries(subject: Subject) -> None:
    """Made anew from its state before and after, it answers as if it had lived on."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        second.goes_by_what_it_carries(run, "replacing", "replace", ("predict", "embed"))


def replacing_reads_only_what_is_granted(subject: Subject) -> None:
    """Samples that the update does not grant can be anything."""
    stream = replacing_stream(subject.card)
    with subject.run(stream=stream) as run:
        carried = learnt(run)
        expected = state.pack(updated(run, carried).state())
    granted = stream.updates[1].samples  # the older version's are among them
    with subject.run(garbled(digits(), granted), stream) as run:
        if state.pack(updated(run, carried).state()) != expected:
            raise BrokenContract(
                "what it is after replacing depends on samples that the update does not grant; "
                "use what view.batches() and view.chunks() hand out"
            )


def replacing_leaves_the_source_as_it_was(subject: Subject) -> None:
    """Replacing writes neither samples nor labels."""
    with subject.run(stream=replacing_stream(subject.card)) as run:
        second.leaves_the_source_as_it_was(run, "replacing")
