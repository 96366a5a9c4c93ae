"""The contract that every method keeps, as checks that an author can run on his own file.

The checks play a small real stream: six classes of digits, three updates, two epochs. A check
raises `BrokenContract` with what was seen and what would be right.
"""

import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from clbench import state
from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.ledger import Ledger, differences
from clbench.method import Method
from clbench.play import Run, play
from clbench.plugin import load
from clbench.recording import run_record
from clbench.settings import Settings
from clbench.source.base import IntArray, Source, Split, open_source
from clbench.spec import Spec
from clbench.stream import Protocol, Stream

BUDGET = 64 << 20
TOLERANCE = 1e-4  # sums are rounded differently when batches are cut differently
SETTINGS = Settings(threads=1)


class BrokenContract(Exception):  # noqa: N818 - the verdict of a check, not a fault
    """What a method does that it may not."""


@dataclass(frozen=True)
class Subject:
    """A method under test, with the hyperparameters that differ from its defaults."""

    kind: type[Method]
    hyperparameters: Mapping[str, Any]

    @contextmanager
    def run(self, source: Source | None = None) -> Iterator[Run]:
        """A run in a temporary folder, nothing played yet."""
        stream, samples = small_stream(), source or open_source(Spec("digits"))
        record = run_record(stream, samples, self.kind, self.hyperparameters, 0, SETTINGS)
        with tempfile.TemporaryDirectory() as folder:
            ledger = Ledger(Path(folder))
            ledger.begin(record)
            yield Run(ledger, stream, samples, self.kind, self.hyperparameters)

    def play(self, folder: Path, stop_after: int | None = None) -> Ledger:
        """Play the whole stream, or fail after some version."""

        def stop(version: int) -> None:
            if version == stop_after:
                raise InterruptedError

        source = open_source(Spec("digits"))
        arguments = (self.kind, self.hyperparameters, 0, folder, SETTINGS, stop)
        return play(small_stream(), source, *arguments)


Check = Callable[[Subject], None]
CHECKS: dict[str, Check] = {}


def check(function: Check) -> Check:
    """Register a check under its name."""
    CHECKS[function.__name__] = function
    return function


@check
def plays_what_its_card_says(subject: Subject) -> None:
    """The card names at least one kind of update, and the method has a handler for each."""
    for kind in subject.kind.card.plays:
        if getattr(subject.kind, kind, None) is getattr(Method, kind, None):
            raise BrokenContract(f"its card plays {kind!r}, but it defines no {kind}(view)")
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
    """A run that was interrupted and continued leaves the ledger of one that was not."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        for version in (0, 1):
            try:
                subject.play(Path(two), stop_after=version)
            except InterruptedError:
                continue
        found = differences(subject.play(Path(one)), subject.play(Path(two)))
    if found:
        raise BrokenContract(
            f"a continued run differs in {found[0]}; something that learn() uses is neither in "
            "state() nor made by build()"
        )


@check
def state_round_trip_changes_no_prediction(subject: Subject) -> None:
    """A method made anew from its state answers as before."""
    with subject.run() as run:
        method, x = played(run, 2), inputs(run)
        copy = run.rebuilt(state.pack(method.state()))
        for ask in ("predict", "embed"):
            close(getattr(method, ask)(x), getattr(copy, ask)(x), f"{ask} after load(state())")


@check
def answers_do_not_depend_on_the_batch(subject: Subject) -> None:
    """The same input gets the same answer alone, in a crowd, and in another order."""
    with subject.run() as run:
        method, x = played(run, 2), inputs(run)
        order = torch.randperm(len(x), generator=torch.Generator().manual_seed(0))
        for ask in (method.predict, method.embed):
            whole, name = ask(x), ask.__name__
            close(whole, torch.cat([ask(part) for part in x.split(7)]), f"{name} in batches of 7")
            close(whole[order], ask(x[order]), f"{name} in another order")


@check
def answering_changes_nothing(subject: Subject) -> None:
    """Predict and embed leave modes, state and inputs as they found them."""
    with subject.run() as run:
        method, x = played(run, 1), inputs(run)
        before, given = (modes(method), state.pack(method.state())), x.clone()
        method.predict(x)
        method.embed(x)
        after = (modes(method), state.pack(method.state()))
    if before[0] != after[0]:
        raise BrokenContract("predict or embed changes train/eval mode; use `with evaluating(...)`")
    if before[1] != after[1]:
        raise BrokenContract("predict or embed changes the state; only updates may")
    if not torch.equal(x, given):
        raise BrokenContract("predict or embed writes into its inputs")


@check
def leaves_the_source_as_it_was(subject: Subject) -> None:
    """Learning writes neither samples nor labels."""
    with subject.run() as run:
        samples = run.samples["train"]
        ids = torch.arange(len(samples))
        before = samples.gather(ids).clone(), samples.y.clone()
        played(run, 2)
        if not (torch.equal(samples.gather(ids), before[0]) and torch.equal(samples.y, before[1])):
            raise BrokenContract("learning changes the source's samples or labels in place")


@check
def reads_only_what_is_granted(subject: Subject) -> None:
    """Samples that the update does not grant can be anything: the result is the same bytes."""
    needs_past = "past" in subject.kind.card.needs
    with subject.run() as run:
        carried = state.pack(played(run, 1).state())
        expected = second_update(run, carried, needs_past)
        updates = run.stream.updates
    granted = [updates[1].samples, *([updates[0].samples] if needs_past else [])]
    with subject.run(garbled(open_source(Spec("digits")), np.concatenate(granted))) as run:
        if second_update(run, carried, needs_past) != expected:
            raise BrokenContract("the result depends on samples that the update does not grant")


@check
def carries_within_the_budget(subject: Subject) -> None:
    """The state fits 64 MiB on tiny images, and holds no training samples unless it says replay."""
    with subject.run() as run:
        carried = state.pack(played(run, 2).state())
        size, stored = sum(map(len, carried.values())), stored_samples(run, carried)
    if size > BUDGET:
        raise BrokenContract(f"carries {size:,} bytes after two small updates; {BUDGET:,} allowed")
    if stored and "replay" not in subject.kind.card.needs:
        raise BrokenContract(f'carries {stored} training samples; its card must need "replay"')


def second_update(run: Run, carried: dict[str, bytes], needs_past: bool) -> dict[str, bytes]:
    """The state after the second update, from the state after the first."""
    method = run.rebuilt(carried)
    view = run.update(method, 2, FlopMeter())
    granted = torch.zeros_like(view.read)
    for update in run.stream.updates[0 if needs_past else 1 : 2]:
        granted[torch.from_numpy(update.samples)] = True
    if bool((view.read & ~granted).any()):
        raise BrokenContract("the view handed out samples that it does not grant")
    return state.pack(method.state())


def garbled(source: Source, kept: IntArray) -> Source:
    """The source with every training sample replaced but those kept."""
    x = np.random.default_rng(0).integers(0, 256, source.train.x.shape, dtype=np.uint8)
    x[kept] = source.train.x[kept]
    return replace(source, train=Split(x, source.train.y))


def stored_samples(run: Run, carried: dict[str, bytes]) -> int:
    """How many rows of carried tensors are training samples, as stored or as prepared."""
    raw = run.samples["train"].gather(torch.from_numpy(run.stream.retained(2)))
    known = {row.numpy().tobytes() for form in (raw, to_input(raw)) for row in form}
    tensors = [t for t in leaves(state.unpack(carried, run.device)) if t.ndim > 1]
    return sum(row.numpy().tobytes() in known for tensor in tensors for row in tensor.cpu())


def leaves(tree: state.State) -> Iterator[Tensor]:
    """All tensors of a state tree."""
    for value in tree.values():
        if isinstance(value, Tensor):
            yield value
        elif isinstance(value, Mapping):
            yield from leaves(value)


def played(run: Run, updates: int) -> Method:
    """The method after some updates, carried over each."""
    method = run.built()
    for version in range(1, updates + 1):
        run.update(method, version, FlopMeter())
        method = run.rebuilt(state.pack(method.state()))
    return method


def inputs(run: Run) -> Tensor:
    """The test inputs of the classes of the first two updates."""
    ids = np.concatenate([e.samples for e in run.stream.evals[:2]])
    return to_input(run.samples["test"].gather(torch.from_numpy(ids)))


def modes(method: Method) -> list[bool]:
    """Train or eval mode of every module that the method holds."""
    held = [value for value in vars(method).values() if isinstance(value, nn.Module)]
    return [part.training for module in held for part in module.modules()]


def close(one: Tensor, two: Tensor, what: str) -> None:
    """Compare answers up to rounding."""
    gap = float((one - two).abs().max()) if one.shape == two.shape else float("inf")
    scale = 1 + float(one.abs().max())
    if not gap <= TOLERANCE * scale:
        raise BrokenContract(f"{what} differs by {gap:.2g} at values up to {scale - 1:.2g}")


def small_stream() -> Stream:
    """Classes 0 to 5 of digits in three updates."""
    generator = load("streams", "class_incremental")
    source, protocol = open_source(Spec("digits")), Protocol(epochs=2)
    stream: Stream = generator(source, "contract", protocol, increment=2, order=[0, 1, 2, 3, 4, 5])
    return stream
