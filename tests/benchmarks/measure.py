"""Taking turns and timing: what every section shares."""

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

Parts = dict[str, list[float]]  # wall seconds of the stages of one run, by name


@dataclass(frozen=True)
class Result:
    """A line of the table: what was measured, against which target, and whether it is met."""

    section: str
    what: str
    measured: str
    target: str = ""
    met: bool | None = None  # None: there is no target


@dataclass(frozen=True)
class Turn:
    """One run of a contender: its stages, `rest` being what lies outside of them."""

    parts: Parts

    @property
    def whole(self) -> float:
        return sum(map(sum, self.parts.values()))


def interleave(
    contenders: Mapping[str, Callable[[], Parts]], rounds: int, *, warm_up: bool = True
) -> dict[str, list[Turn]]:
    """Let contenders take turns (A B A B ...), after a round that does not count."""
    turns: dict[str, list[Turn]] = {name: [] for name in contenders}
    for number in range(rounds + warm_up):
        for name, run in contenders.items():
            start = time.perf_counter()
            parts = run()
            rest = time.perf_counter() - start - sum(map(sum, parts.values()))
            if number >= warm_up:
                turns[name].append(Turn({**parts, "rest": [rest]}))
    return turns


def quietest(turns: Sequence[Turn], *names: str) -> float:
    """Seconds of some parts, by default of all: each stage at its fastest.

    Whatever else runs on the machine can only add, and seldom adds to the same stage in all turns.
    """
    chosen = names or tuple(turns[0].parts)
    stages = [zip(*(turn.parts[name] for turn in turns), strict=True) for name in chosen]
    return sum(min(times) for part in stages for times in part)


def ratios(one: Sequence[Turn], two: Sequence[Turn], *names: str) -> str:
    """How many times as long one takes as two, round by round: median and range."""
    found = [quietest([a], *names) / quietest([b], *names) for a, b in zip(one, two, strict=True)]
    return f"by rounds {statistics.median(found):.2f} [{min(found):.2f}, {max(found):.2f}]"


def seconds(value: float) -> str:
    """Seconds as text, in milliseconds where they are few."""
    return f"{value:.2f} s" if abs(value) >= 1 else f"{value * 1e3:.1f} ms"
