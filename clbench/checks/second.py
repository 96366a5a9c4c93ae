"""What holds of the update after the first, whether it forgets or replaces."""

from collections.abc import Sequence

import torch

from clbench import state
from clbench.checks.base import BrokenContract, close, suspects
from clbench.cost import FlopMeter
from clbench.method import Method
from clbench.play import Run
from clbench.subject import inputs, played

Bytes = dict[str, bytes]


def learnt(run: Run) -> Bytes:
    """What the method carries to its second update."""
    return state.pack(played(run, 1).state())


def updated(run: Run, carried: Bytes) -> Method:
    """The method after its second update, from what it carried to it."""
    method = run.rebuilt(carried)
    run.update(method, 2, FlopMeter())
    return method


def repeats_itself(run: Run, doing: str) -> None:
    """The same state and seed give the same bytes; `doing` is what the update does, in a word."""
    carried = learnt(run)
    one, two = (state.pack(updated(run, carried).state()) for _ in range(2))
    if one != two:
        raise BrokenContract(
            f"{doing} twice from one state with one seed gives two results; "
            "draw from view.generator or torch's global generator alone"
        )


def goes_by_what_it_carries(run: Run, doing: str, handler: str, asks: Sequence[str]) -> None:
    """Made anew before and after, the method answers what it is asked as if it had lived on."""
    living, x = played(run, 1, carry=False), inputs(run)
    carried = state.pack(living.state())
    remade = run.rebuilt(state.pack(updated(run, carried).state()))
    run.update(living, 2, FlopMeter())
    for ask in asks:
        close(
            getattr(living, ask)(x.clone()),
            getattr(remade, ask)(x.clone()),
            f"{ask}, after {doing} by a method that lived on or was made anew,",
            f"carry what {handler}() uses, or make it in build(){suspects(living, run.built())}",
        )


def leaves_the_source_as_it_was(run: Run, doing: str) -> None:
    """Neither samples nor labels are written to."""
    samples, carried = run.samples["train"], learnt(run)
    ids = torch.arange(len(samples))
    before = samples.gather(ids).clone(), samples.y.clone()
    updated(run, carried)
    if not (torch.equal(samples.gather(ids), before[0]) and torch.equal(samples.y, before[1])):
        raise BrokenContract(
            f"{doing} changes the source's samples or labels in place; "
            "write to the batches that the view hands out"
        )
