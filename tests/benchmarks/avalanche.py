"""How fast we are beside Avalanche at the same work: training and evaluation.

`er` replays from its first batch on, Avalanche's Replay after its first update; `er, filled after
an update` does the same work as Replay, and the targets are held against it.

Ours includes making the method anew from its state and the predictions as a Parquet table. The
ledger on the disk, synced after every update, has no counterpart there; the ratio with it stands
beside.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from tests.benchmarks.er_after import AFTER
from tests.benchmarks.measure import Parts, Result, Turn, interleave, quietest, ratios, seconds
from tests.benchmarks.setting import CONVNET, MLP, Setting, run_ours, stages

MEMORY = 200


@dataclass(frozen=True)
class Pair:
    """A method of ours, by name or file, and the strategy of Avalanche's beside it."""

    method: str
    strategy: str
    given: dict[str, Any] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    same_work: bool = True  # else the target does not apply


REPLAY: tuple[str, dict[str, Any], dict[str, Any]]
REPLAY = ("Replay", {"buffer": MEMORY}, {"mem_size": MEMORY})
PAIRS = {
    "finetune": Pair("finetune", "Naive"),
    "er, filled after an update": Pair(AFTER, *REPLAY),
    "er": Pair("er", *REPLAY, same_work=False),
}
TARGETS = {  # setting, precision: at least so many times as fast
    (MLP, "float32"): 4.0,
    (CONVNET, "float32"): 1.15,
    (CONVNET, "bfloat16"): 2.0,
}
ROUNDS = {MLP: 8, CONVNET: 3}
WORK = ("training", "evaluation")


def run() -> Iterator[Result]:
    """Finetuning and replay, for the MLP and for the convolutional network."""
    for setting in (MLP, CONVNET):
        for name in PAIRS:
            if setting.available:
                yield from _compare(setting, name)
            else:
                yield Result("avalanche", str(setting), "not measured: its data are not here")


def _compare(setting: Setting, name: str) -> Iterator[Result]:
    pair = PAIRS[name]
    precisions = [precision for known, precision in TARGETS if known is setting]
    ours = {p: partial(_ours, setting, pair, p) for p in precisions}
    turns = interleave({**_peers(setting, pair), **ours}, ROUNDS[setting])
    for precision in precisions:
        least = TARGETS[setting, precision]
        for form in ("tensors", "images"):
            what = f"{setting}: {name}, {precision}, beside {pair.strategy} on {form}"
            times, text = _times(turns[form], turns[precision])
            held = pair.same_work and form == "images"  # the form of its own data sets
            target = (f">= {least} x", times >= least) if held else ("", None)
            yield Result("avalanche", what, text, *target)


def _peers(setting: Setting, pair: Pair) -> dict[str, Callable[[], Parts]]:
    from tests.benchmarks.peer_runs import run_avalanche
    from tests.benchmarks.peers import benchmark

    def play(scenario: Any) -> Parts:
        return run_avalanche(setting, pair.strategy, scenario, **pair.options).parts

    return {form: partial(play, benchmark(setting, form)) for form in ("tensors", "images")}


def _ours(setting: Setting, pair: Pair, precision: str) -> Parts:
    return stages(run_ours(setting, pair.method, given=pair.given, precision=precision))


def _times(theirs: list[Turn], ours: list[Turn]) -> tuple[float, str]:
    slow, fast = quietest(theirs, *WORK), quietest(ours, *WORK)
    parts = [f"{name} {_ratio(theirs, ours, name):.2f} x" for name in WORK]
    parts.append(f"with the ledger {_ratio(theirs, ours):.2f} x")
    text = f"{slow / fast:.2f} x: {seconds(slow)} / {seconds(fast)} ({', '.join(parts)}); "
    return slow / fast, text + ratios(theirs, ours, *WORK)


def _ratio(one: list[Turn], two: list[Turn], *parts: str) -> float:
    return quietest(one, *parts) / quietest(two, *parts)
