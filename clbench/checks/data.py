"""What a method does with data: it reads what it is granted, and leaves and keeps what it may."""

import numpy as np
import torch

from clbench import state
from clbench.checks.base import BrokenContract, torch_settings
from clbench.conduct import asks_again, keeps
from clbench.cost import FlopMeter
from clbench.play import Run
from clbench.subject import Subject, digits, garbled, inputs, played

BUDGET = 64 << 20


def leaves_the_source_as_it_was(subject: Subject) -> None:
    """Learning writes neither samples nor labels."""
    with subject.run() as run:
        samples = run.samples["train"]
        ids = torch.arange(len(samples))
        before = samples.gather(ids).clone(), samples.y.clone()
        played(run, 2)
        if not (torch.equal(samples.gather(ids), before[0]) and torch.equal(samples.y, before[1])):
            raise BrokenContract(
                "learning changes the source's samples or labels in place; "
                "use what view.batches() and view.chunks() hand out"
            )


def leaves_torch_as_it_was(subject: Subject) -> None:
    """Updates and answers leave torch's global settings as they found them."""
    before = torch_settings()
    with subject.run() as run:
        method = played(run, 1)
        method.predict(inputs(run))
        method.embed(inputs(run))
    after = torch_settings()
    for name, value in before.items():
        if after[name] != value:
            raise BrokenContract(
                f"torch.{name} was {value} and is {after[name]} after it, for other runs too; "
                "set it back, or use a context manager"
            )


def reads_only_what_is_granted(subject: Subject) -> None:
    """Samples that the update does not grant can be anything: the result is the same bytes."""
    needs_past = "past" in subject.card.needs
    with subject.run() as run:
        carried = state.pack(played(run, 1).state())
        expected = second_update(run, carried, needs_past)
        updates = run.stream.updates
    granted = [updates[1].samples, *([updates[0].samples] if needs_past else [])]
    with subject.run(garbled(digits(), np.concatenate(granted))) as run:
        if second_update(run, carried, needs_past) != expected:
            raise BrokenContract(
                "the result depends on samples that the update does not grant; "
                "use what view.batches() and view.chunks() hand out"
            )


def carries_within_the_budget(subject: Subject) -> None:
    """The state fits 64 MiB on tiny images."""
    with subject.run() as run:
        carried = state.pack(played(run, 2).state())
    if (size := sum(map(len, carried.values()))) > BUDGET:
        raise BrokenContract(
            f"carries {size:,} bytes after two small updates; {BUDGET:,} allowed; "
            "shorten carries, or what those attributes hold"
        )


def stores_no_more_than_its_card_says(subject: Subject) -> None:
    """Neither training samples nor their labels are in the state, unless the card says so."""
    declared = subject.card.stores
    count, what = keeps(subject)
    if count and what != declared and declared != "samples":
        raise BrokenContract(
            f'carries {count} training {what}; write stores="{what}" in its card, not "{declared}"'
        )


def reads_an_update_once_unless_its_card_says_many(subject: Subject) -> None:
    """A method of one pass plays an online stream, in which samples come once."""
    card = subject.card  # online streams give no task ids
    if card.passes == "one" and "task-ids" not in card.needs and asks_again(subject):
        raise BrokenContract(
            'asks for the samples of an update a second time; write passes="many" in its card, '
            "or use one loop over view.batches() or view.chunks()"
        )


def second_update(run: Run, carried: dict[str, bytes], needs_past: bool) -> dict[str, bytes]:
    """The state after the second update, from the state after the first."""
    method = run.rebuilt(carried)
    view = run.update(method, 2, FlopMeter())
    granted = torch.zeros_like(view.read)
    for update in run.stream.updates[0 if needs_past else 1 : 2]:
        granted[torch.from_numpy(update.samples)] = True
    if bool((view.read & ~granted).any()):
        raise BrokenContract(
            "the view handed out samples that it does not grant; "
            "do not write to a view's attributes"
        )
    return state.pack(method.state())
