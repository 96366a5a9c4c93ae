"""The contract that every method keeps, as checks that an author can run on his own file.

A check plays the small stream of `clbench.subject` and raises `BrokenContract` with what was seen
and what would be right.
"""

import tempfile
from collections.abc import Callable, Mapping
from functools import wraps
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from clbench import state
from clbench.archive import differences
from clbench.conduct import asks_again, keeps
from clbench.cost import FlopMeter
from clbench.method import Method
from clbench.model.modes import modules_in
from clbench.play import Run
from clbench.subject import Subject, digits, garbled, inputs, played

__all__ = ["CHECKS", "BrokenContract", "Check", "Subject", "check"]

BUDGET = 64 << 20
TOLERANCE = 1e-4  # sums are rounded differently when batches are cut differently
GLOBAL_SETTINGS: Mapping[str, Callable[[], Any]] = {
    "set_default_dtype": torch.get_default_dtype,
    "set_float32_matmul_precision": torch.get_float32_matmul_precision,
    "set_grad_enabled": torch.is_grad_enabled,
    "set_num_threads": torch.get_num_threads,
    "use_deterministic_algorithms": torch.are_deterministic_algorithms_enabled,
}


class BrokenContract(Exception):  # noqa: N818 - the verdict of a check, not a fault
    """What a method does that it may not."""


Check = Callable[[Subject], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its name; torch's settings are put back after it."""

    @wraps(function)
    def restoring(subject: Subject) -> None:
        before = torch_settings()
        try:
            function(subject)
        finally:
            for name, value in before.items():
                getattr(torch, name)(value)

    CHECKS[function.__name__] = restoring
    return restoring


@check
def plays_what_its_card_says(subject: Subject) -> None:
    """The card names at least one kind of update, and the method has a handler for each."""
    for kind in subject.kind.card.plays:
        if getattr(subject.kind, kind, None) is getattr(Method, kind, None):
            raise BrokenContract(
                f"its card plays {kind!r}, but it defines no {kind}(view); "
                f"define it, or take {kind!r} out of plays"
            )
    if not subject.kind.card.plays:
        raise BrokenContract("its card plays nothing; name the kinds of update it handles")


@check
def same_seed_gives_same_bytes(subject: Subject) -> None:
    """Two runs with one seed leave the same ledger, clock readings aside."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        found = differences(subject.play(Path(one)), subject.play(Path(two)))
    if found:
        raise BrokenContract(
            f"two runs with the same seed differ in {found[0]}; "
            "draw from view.generator or torch's global generator alone"
        )


@check
def resumes_where_it_stopped(subject: Subject) -> None:
    """A run that new processes continue leaves the ledger of one that was not interrupted."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for version in (0, 1):
            try:
                subject.anew().play(Path(two), stop_after=version)
            except InterruptedError:
                continue
        found = differences(subject.anew().play(Path(one)), subject.anew().play(Path(two)))
    if found:
        raise BrokenContract(
            f"a continued run differs in {found[0]}; something that learn() uses outlives an "
            "update in the class or its module; keep it in an attribute named in carries"
        )


@check
def carries_all_that_updates_use(subject: Subject) -> None:
    """Made anew from its state after every update, it learns as if it had lived on."""
    with subject.run() as one, subject.run() as two:
        living, remade, x = played(one, 3, carry=False), played(two, 3), inputs(one)
        lived = one.rebuilt(state.pack(living.state()))
        close(
            lived.predict(x.clone()),
            remade.predict(x.clone()),
            "predict, after updates over which the method lived on or was made anew,",
            f"carry what updates use, or make it in build(){suspects(living, one.built())}",
        )


@check
def state_round_trip_changes_no_prediction(subject: Subject) -> None:
    """A method made anew from its state answers as before."""
    with subject.run() as run:
        method, x = played(run, 2, carry=False), inputs(run)
        copy = run.rebuilt(state.pack(method.state()))
        for ask in ("predict", "embed"):
            close(
                getattr(method, ask)(x.clone()),
                getattr(copy, ask)(x.clone()),
                f"{ask}, before and after load(state()),",
                f"carry what it uses, or make it in build(){suspects(method, run.built())}",
            )


@check
def answers_do_not_depend_on_the_batch(subject: Subject) -> None:
    """The same input gets the same answer alone, in a crowd, and in another order."""
    remedy = "answer in eval mode (`with evaluating(self.model)`), each input by itself"
    with subject.run() as run:
        method, x = played(run, 2), inputs(run)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        for ask in (method.predict, method.embed):
            whole, name = ask(x.clone()), ask.__name__
            parts = torch.cat([ask(part) for part in x.clone().split(7)])
            close(whole, parts, f"{name} in batches of 7", remedy)
            close(whole[order], ask(x[order]), f"{name} in another order", remedy)
            close(whole[:1], ask(x[:1].clone()), f"{name} of one input alone", remedy)


@check
def answering_changes_nothing(subject: Subject) -> None:
    """Modes, state and inputs are after predict and embed what they were before."""
    with subject.run() as run:
        method, x = played(run, 1), inputs(run)
        before, given = (modes(method), state.pack(method.state())), x.clone()
        method.predict(x)
        method.embed(x)
        after = (modes(method), state.pack(method.state()))
    if before[0] != after[0]:
        raise BrokenContract("predict or embed changes train/eval mode; use `with evaluating(...)`")
    if before[1] != after[1]:
        raise BrokenContract("predict or embed changes the state; leave that to updates")
    if not torch.equal(x, given):
        raise BrokenContract("predict or embed writes into its inputs; work on a copy")


@check
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


@check
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


@check
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


@check
def carries_within_the_budget(subject: Subject) -> None:
    """The state fits 64 MiB on tiny images."""
    with subject.run() as run:
        carried = state.pack(played(run, 2).state())
    if (size := sum(map(len, carried.values()))) > BUDGET:
        raise BrokenContract(
            f"carries {size:,} bytes after two small updates; {BUDGET:,} allowed; "
            "shorten carries, or what those attributes hold"
        )


@check
def stores_no_more_than_its_card_says(subject: Subject) -> None:
    """Neither training samples nor their labels are in the state, unless the card says so."""
    declared = subject.card.stores
    count, what = keeps(subject)
    if count and what != declared and declared != "samples":
        raise BrokenContract(
            f'carries {count} training {what}; write stores="{what}" in its card, not "{declared}"'
        )


@check
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


def torch_settings() -> dict[str, Any]:
    """Torch's global settings, by the function that sets each."""
    return {name: read() for name, read in GLOBAL_SETTINGS.items()}


def suspects(method: Method, fresh: Method) -> str:
    """Attributes that updates made or changed and that are not carried, for an error's end."""
    names = [
        name
        for name, value in vars(method).items()
        if name not in method.carries and not _alike(value, vars(fresh).get(name))
    ]
    return f"; not carried: {', '.join(names)}" if names else ""


def _alike(one: Any, two: Any) -> bool:
    """Whether two values are the same, as far as can be told: objects of one type are."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return torch.equal(one, two)
    if isinstance(one, bool | int | float | str):
        return bool(one == two)
    return type(one) is type(two)


def modes(method: Method) -> list[bool]:
    """Train or eval mode of every module that the method holds, in containers too."""
    return [part.training for module in modules_in(vars(method)) for part in module.modules()]


def close(one: Tensor, two: Tensor, what: str, remedy: str) -> None:
    """Compare answers up to rounding."""
    gap = float((one - two).abs().max()) if one.shape == two.shape else float("inf")
    scale = 1 + float(one.abs().max())
    if not gap <= TOLERANCE * scale:
        raise BrokenContract(
            f"{what} differs by {gap:.2g} at values up to {scale - 1:.2g}; {remedy}"
        )
