"""How a method lives: what it plays, and that what it carries is all that it lives on."""

import tempfile
from pathlib import Path

from clbench import state
from clbench.archive import differences
from clbench.checks.base import BrokenContract, close, suspects
from clbench.method import Method
from clbench.subject import Subject, inputs, played


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


def same_seed_gives_same_bytes(subject: Subject) -> None:
    """Two runs with one seed leave the same ledger, clock readings aside."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as two:
        found = differences(subject.play(Path(one)), subject.play(Path(two)))
    if found:
        raise BrokenContract(
            f"two runs with the same seed differ in {found[0]}; "
            "draw from view.generator or torch's global generator alone"
        )


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
