"""How fast we are beside Avalanche at the same work: training and evaluation.

Ours includes making the method anew from its state and the predictions as a Parquet table. The
ledger on the disk, synced after every update, has no counterpart there; the ratio with it stands
beside.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from tests.benchmarks.measure import Parts, Result, Turn, interleave, quietest, ratios, seconds
from tests.benchmarks.setting import CONVNET, MLP, Setting, run_ours, stages

MEMORY = 200
METHODS = {"finetune": ("Naive", {}), "er": ("Replay", {"mem_size": MEMORY})}
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
        for method in METHODS:
            if setting.available:
                yield from _compare(setting, method)
            else:
                yield Result("avalanche", str(setting), "not measured: its data are not here")


def _compare(setting: Setting, method: str) -> Iterator[Result]:
    precisions = [precision for known, precision in TARGETS if known is setting]
    ours = {p: partial(_ours, setting, method, p) for p in precisions}
    turns = interleave({**_peers(setting, method), **ours}, ROUNDS[setting])
    for precision in precisions:
        least = TARGETS[setting, precision]
        for form in ("tensors", "images"):
            what = f"{setting}: {method}, {precision}, beside {METHODS[method][0]} on {form}"
            times, text = _times(turns[form], turns[precision])
            yield Result("avalanche", what, text, f">= {least} x", times >= least)


def _peers(setting: Setting, method: str) -> dict[str, Callable[[], Parts]]:
    from tests.benchmarks.peer_runs import run_avalanche
    from tests.benchmarks.peers import benchmark

    kind, options = METHODS[method]

    def play(scenario: Any) -> Parts:
        return run_avalanche(setting, kind, scenario, **options).parts

    return {form: partial(play, benchmark(setting, form)) for form in ("tensors", "images")}


def _ours(setting: Setting, method: str, precision: str) -> Parts:
    given = {"buffer": MEMORY} if method == "er" else {}
    return stages(run_ours(setting, method, given=given, precision=precision))


def _times(theirs: list[Turn], ours: list[Turn]) -> tuple[float, str]:
    slow, fast = quietest(theirs, *WORK), quietest(ours, *WORK)
    parts = [f"{name} {_ratio(theirs, ours, name):.2f} x" for name in WORK]
    parts.append(f"with the ledger {_ratio(theirs, ours):.2f} x")
    text = f"{slow / fast:.2f} x: {seconds(slow)} / {seconds(fast)} ({', '.join(parts)}); "
    return slow / fast, text + ratios(theirs, ours, *WORK)


def _ratio(one: list[Turn], two: list[Turn], *parts: str) -> float:
    return quietest(one, *parts) / quietest(two, *parts)
