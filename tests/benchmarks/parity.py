"""Eleven methods of ours and of Avalanche's: accuracies that should agree, and both run times.

Same stream, samples, network, batch sizes, epochs and optimiser settings; the sides take turns, and
times are the quietest of each stage over the seeds. Where a pair as it comes does not agree, the
same pair with the cause taken away follows. Accuracies are compared on tensors; speed also beside
its data as PIL images, and on the convolutional network, there at the same work.
"""

import statistics
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy.stats import ttest_ind

from clbench.statistics import mean_interval
from tests.benchmarks.measure import Result, Turn, quietest, seconds
from tests.benchmarks.parity_pairs import PAIRS, Pair, isolated, of_the_same_work
from tests.benchmarks.peers import Form, benchmark
from tests.benchmarks.setting import CONVNET, MLP, Setting

SEEDS = 5
CERTAIN = 0.05
SUMMARIES = ("final", "incremental")
FORMS: tuple[Form, ...] = ("tensors", "images")
SHORT = replace(CONVNET, updates=2, epochs=2)


def run() -> Iterator[Result]:
    """Accuracies and times on the digits, then times on colour images."""
    made, ratios = benchmark(MLP, "tensors"), []
    for pair in PAIRS:
        results, ratio = _compare(MLP, pair, made, SEEDS)
        yield from results
        ratios.append(ratio)
        if not all(result.met for result in results[:-1]) and (alone := isolated(pair)):
            yield from _compare(MLP, alone, made, SEEDS)[0][:-1]
    yield _median("digits MLP, on tensors", ratios, 3.0)
    yield from _speeds(MLP, "images", PAIRS, 3.0, rounds=3)
    if not SHORT.available:
        yield Result("parity", str(SHORT), "not measured: its data are not here")
        return
    # StreamingLDA inverts 3072 x 3072 at every step.
    pairs = [_for_images(pair) for pair in PAIRS if pair.theirs != "StreamingLDA"]
    for form in FORMS:
        yield from _speeds(SHORT, form, pairs, 1.15, rounds=2)


def _speeds(
    setting: Setting, form: Form, pairs: Sequence[Pair], least: float, rounds: int
) -> Iterator[Result]:
    made, ratios = benchmark(setting, form), []
    for pair in pairs:
        same = of_the_same_work(pair)
        if same is not pair:
            shown = _compare(setting, pair, made, rounds)[0][-1]
            yield replace(shown, what=f"{shown.what}, on {form}", target="", met=None)
        results, ratio = _compare(setting, same, made, rounds)
        yield replace(results[-1], what=f"{results[-1].what}, on {form}")
        ratios.append(ratio)
    yield _median(f"{setting.preset}, on {form}", ratios, least)


def _for_images(pair: Pair) -> Pair:
    """The pair with room for the classes of its first updates, and passes as many as epochs."""
    given, options = dict(pair.given), dict(pair.options)
    for values in (given, options):
        values |= {"room": 20} if "room" in values else {}
    given |= {"passes": SHORT.epochs} if "passes" in given else {}
    lr = pair.lr and pair.lr / 30  # momentum and a network that a strong penalty blows up
    return replace(pair, given=given, options=options, lr=lr)


def _compare(setting: Setting, pair: Pair, made: Any, seeds: int) -> tuple[list[Result], float]:
    from tests.benchmarks.parity_runs import Played, ours, theirs

    at = setting.at(pair.lr) if pair.lr else setting
    sides: tuple[list[Played], list[Played]] = ([], [])
    for seed in range(seeds):
        sides[0].append(ours(at, pair, seed))
        with warnings.catch_warnings(record=True):  # it warns of its own deprecations
            sides[1].append(theirs(at, pair, seed, made))
    both = [
        (name, *([getattr(played, name) for played in side] for side in sides))
        for name in SUMMARIES
    ]
    agreement = [_agree(pair, *each) for each in both] if seeds > 1 else []
    fast, slow = (quietest([Turn(played.parts) for played in side]) for side in sides)
    text = f"{slow / fast:.2f} x: {seconds(slow)} / {seconds(fast)}"
    speed = Result("parity", f"{setting.preset}: {pair}: speed", text, ">= 1 x", slow >= fast)
    return [*agreement, speed], slow / fast


def _agree(pair: Pair, name: str, one: Sequence[float], two: Sequence[float]) -> Result:
    """Intervals that meet, or a difference that Welch's test does not see."""
    a, b = mean_interval(one), mean_interval(two)
    p = _welch(one, two)
    meet = a.low <= b.high and b.low <= a.high
    shown = [f"{np.mean(v):.3f} [{i.low:.3f}, {i.high:.3f}]" for v, i in ((one, a), (two, b))]
    text = f"{shown[0]} and {shown[1]}, p {p:.3f}"
    return Result("parity", f"{pair}: {name}", text, "agree", meet or p > CERTAIN)


def _welch(one: Sequence[float], two: Sequence[float]) -> float:
    """P-value of Welch's test; two constants differ for certain, or not at all."""
    if len({*one}) == len({*two}) == 1:
        return float(one[0] == two[0])
    return float(ttest_ind(one, two, equal_var=False).pvalue)


def _median(what: str, ratios: Sequence[float], least: float) -> Result:
    found = statistics.median(ratios)
    text = f"{found:.2f} x [{min(ratios):.2f}, {max(ratios):.2f}] over {len(ratios)} methods"
    return Result("parity", f"{what}: median of speeds", text, f">= {least} x", found >= least)
