"""Which program trains the members fastest on this device: found by a short timed trial."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

import torch

from clbench.augment import to_input
from clbench.counter import peak_bytes
from clbench.ensemble.job import Room
from clbench.ensemble.loop import PlainLoop
from clbench.ensemble.members import Member
from clbench.ensemble.programs import Program as Batched
from clbench.ensemble.programs import independent, possible
from clbench.ensemble.recipe import Recipe
from clbench.ensemble.together import Together
from clbench.errors import ClbenchError

Program = Literal["loop", "vmap", "grouped", "bmm"]
GROUPS = (8, 32, 128, 512)  # members together; small stacks stay in a processor's caches
WARM_UP = 2  # steps
SECONDS = 0.15  # that a program is timed for, or at least two steps
WORTH_A_TRIAL = 2.0  # seconds that the plain loop would take
HOPELESS = 2.0  # times as slow as the best: larger groups are not tried


@dataclass(frozen=True)
class Timing:
    """Seconds that a step of one member takes, by a program with so many members together."""

    program: Program
    group: int
    seconds: float


@dataclass(frozen=True)
class Choice:
    """A program, how many members it trains together, and the timings that speak for it."""

    program: Program
    group: int
    timings: tuple[Timing, ...] = ()

    @property
    def seconds(self) -> float:
        """Seconds that a step of one member takes."""
        chosen = (self.program, self.group)
        return next(t.seconds for t in self.timings if (t.program, t.group) == chosen)

    def described(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self)


def choose(room: Room, members: Sequence[Member], program: Program | None = None) -> Choice:
    """The fastest way to train these members; `program` fixes all but how many go together.

    Raises:
        ClbenchError: the program asked for cannot train this backbone.
    """
    loop = Timing("loop", 1, _timed(PlainLoop(room, members[0]).advance))
    whole = loop.seconds * sum(steps_of(room.recipe, member) for member in members)
    if program == "loop" or (program is None and (whole < WORTH_A_TRIAL or len(members) == 1)):
        return Choice("loop", 1, (loop,))
    programs = _possible(room, members[0])
    if program and program not in programs:
        raise ClbenchError(
            f"backbone {room.recipe.backbone} cannot be trained by the program {program}: it has "
            "layers that it does not know, or that mix the samples of a batch or draw random "
            "numbers; leave --program out"
        )
    tried = [each for each in programs if program in (None, each)]
    timings = [loop, *_trials(room, members, tried, loop.seconds)]
    best = min(timings[bool(program) :], key=lambda timing: timing.seconds)
    return Choice(best.program, best.group, tuple(timings))


def _possible(room: Room, member: Member) -> list[Batched]:
    with torch.random.fork_rng(devices=[]):
        network = room.built(member)
    ids = torch.arange(min(3, len(room.samples)), device=room.device)
    if not independent(network, to_input(room.samples.gather(ids))):
        return []
    return possible(network)


def _trials(
    room: Room, members: Sequence[Member], programs: Sequence[Batched], best: float
) -> Iterator[Timing]:
    """Timings of ever larger groups, as long as they get faster."""
    most = min(len(members), _most_together(room, members[0]))
    for program in programs:
        before = float("inf")
        for group in sorted({min(size, most) for size in GROUPS}):
            seconds = _timed(Together(room, members[:group], program).advance) / group
            yield Timing(program, group, seconds)
            if seconds > before or seconds > HOPELESS * best:
                break
            before, best = seconds, min(best, seconds)


def _timed(advance: Callable[[int], bool]) -> float:
    """Seconds a step, after a few that do not count."""
    advance(WARM_UP)
    steps, start = 0, _clock()
    while (elapsed := _clock() - start) < SECONDS or steps < 2:
        if not advance(1):
            break
        steps += 1
    return elapsed / max(1, steps)


def _clock() -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def steps_of(recipe: Recipe, member: Member) -> int:
    """How many batches a member is trained on, about."""
    return recipe.epochs * -(-len(member.ids) // recipe.training.batch_size)


def _most_together(room: Room, member: Member) -> int:
    """How many members fit into half of the free memory, by what a plain step holds at most."""
    plain = PlainLoop(room, member)
    each = peak_bytes(lambda: plain.advance(2)) + 1
    return max(1, _free_bytes(room.device) // (2 * each))


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
