"""Kills runs and continues them: `killing.py FOLDER SEED MOMENTS [naive]`.

Torch is imported once; every run is a fork. Kills strike at chosen places until the second version
is whole, and at random moments until MOMENTS of them have struck before the end. Prints JSON: for
each kill where it was meant to strike, whether it did, how many versions were whole then, and how
the continued run differs from an undisturbed one. `naive` makes the ledger write a
version in place, to show that such a ledger would be caught.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import torch

from clbench.archive import differences
from clbench.files import write_synced
from clbench.ledger import Ledger
from clbench.recording import environment
from clbench.seal import MANIFEST
from odd_methods import PHASES, Guided
from tiny import Tiny, tiny_stream

CALLS = ("fsync", "rename", "replace", "mkdir", "ftruncate")
Arm = Callable[[], None]


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def at_call(number: int, after: bool) -> Arm:
    """Die at the n-th call by which the ledger changes the disk, before or after it."""

    def arm() -> None:
        calls = count(1)

        def watched(original: Callable[..., object]) -> Callable[..., object]:
            def call(*args: object, **kwargs: object) -> object:
                mine = next(calls) == number
                if mine and not after:
                    die()
                try:
                    return original(*args, **kwargs)
                finally:
                    if mine:
                        die()

            return call

        for name in CALLS:
            setattr(os, name, watched(getattr(os, name)))

    return arm


def in_phase(phase: str, number: int) -> Arm:
    """Die when the method is in a phase for the n-th time."""

    def arm() -> None:
        times = count(1)
        Guided.hooks[phase] = lambda: die() if next(times) == number else None

    return arm


def forked(work: Callable[[], object], kill_after: float | None = None) -> int:
    """Do something in a process of its own; returns how it ended, as `os.waitpid` does."""
    if not (child := os.fork()):
        try:
            work()
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitpid(child, 0)[1]


def play(tiny: Tiny, root: Path) -> Ledger:
    return tiny.play(Guided, root)


def ledger_in(root: Path) -> Ledger:
    found = list(root.rglob("run.json"))
    return Ledger(found[0].parent if found else root)


def verdict(name: str, struck: bool, root: Path, tiny: Tiny, undisturbed: Ledger) -> dict[str, Any]:
    """Continue a killed run and compare it."""
    whole = ledger_in(root).versions
    code = forked(lambda: play(tiny, root))
    wrong = differences(ledger_in(root), undisturbed) if code == 0 else [f"ended with {code}"]
    return {"kill": name, "struck": struck, "whole": whole, "wrong": wrong}


def write_in_place(ledger: Ledger, version: int, files: dict[str, bytes]) -> None:
    """What `Ledger.write` must not do: a version is seen before it is whole."""
    folder = ledger.folder(version)
    folder.mkdir(parents=True, exist_ok=True)
    write_synced(folder / MANIFEST, b"{}")
    for name, data in files.items():
        write_synced(folder / name, data)


def main(folder: Path, seed: int, moments: int, naive: bool) -> None:
    torch.set_num_threads(1)
    environment()  # asked once: it names the state of the checkout
    tiny, chance = tiny_stream(), random.Random(seed)
    if naive:
        Ledger.write = write_in_place  # type: ignore[method-assign, assignment]
    play(tiny, folder / "warm")  # what is imported late is now in memory, too
    started = time.perf_counter()
    assert forked(lambda: play(tiny, folder / "undisturbed")) == 0
    duration = time.perf_counter() - started
    undisturbed = ledger_in(folder / "undisturbed")
    found: list[dict[str, Any]] = []

    deterministic = {
        f"{'after' if after else 'before'} call {number}": at_call(number, after)
        for number in range(1, 24)
        for after in (False, True)
    } | {f"{phase} {number}": in_phase(phase, number) for phase in PHASES for number in (1, 3)}
    for name, arm in deterministic.items():
        root = folder / name.replace(" ", "-")
        code = forked(lambda: (arm(), play(tiny, root)))  # noqa: B023 - called at once
        found.append(verdict(name, code == signal.SIGKILL, root, tiny, undisturbed))
        if naive and found[-1]["wrong"]:
            break

    number = 0
    while sum(each["kill"].startswith("at ") and each["struck"] for each in found) < moments:
        number, moment = number + 1, chance.random() * duration
        root = folder / f"random-{number}"
        code = forked(lambda: play(tiny, root), kill_after=moment)  # noqa: B023 - called at once
        name = f"at {moment:.3f} s of {duration:.3f}"
        found.append(verdict(name, code == signal.SIGKILL, root, tiny, undisturbed))
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]), "naive" in sys.argv[4:])
