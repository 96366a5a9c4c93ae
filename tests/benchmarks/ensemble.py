"""Many models as one job, against a plain loop that trains them one after the other.

The loop is that of finetuning, on as many threads as there are cores, and is timed over some of the
members: all take the same number of steps. The ensemble is timed whole: the trial that chooses the
program, the starting weights, the margins of all samples, the store.
"""

import json
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import torch

from clbench.ensemble.closed_form import ridge_heads
from clbench.ensemble.datamodels import random_subsets
from clbench.ensemble.job import Job, Room, job_of
from clbench.ensemble.loop import PlainLoop
from clbench.ensemble.members import Plan, plan
from clbench.ensemble.recipe import recipe_of
from clbench.ensemble.trainer import TRIAL, Where, train_ensemble
from clbench.opening import open_preset
from clbench.source.base import Source
from clbench.source.digits import digits
from clbench.stream import Protocol
from clbench_scenarios.class_incremental import class_incremental
from tests.benchmarks.frozen import BACKBONE, WEIGHTS
from tests.benchmarks.measure import Parts, Result, Turn, interleave, quietest, ratios, seconds
from tests.benchmarks.setting import CONVNET

CORES = os.cpu_count() or 1
PLAIN = 8  # members that the loop is timed over
ROUNDS = 2


@dataclass(frozen=True)
class Case:
    """So many members of a backbone on digits, and how many times as fast they are to be."""

    what: str
    backbone: str
    members: int
    epochs: int
    target: float | None
    device: str = "cpu"


CASES = (
    Case("linear heads", "identity", 128, 10, 5.0),
    Case("MLPs of width 64", "mlp,width=64", 128, 10, 5.0),
    Case("MLPs of width 256", "mlp", 128, 10, None),
    Case("convolutional nets", "convnet", 64, 4, 1.0),
    Case("convolutional nets of width 8", "convnet,width=8", 64, 4, 1.0),
)
ON_GPU = Case("small convolutional nets", "convnet,width=8", 128, 10, 10.0, "cuda")


def run() -> Iterator[Result]:
    """Linear heads, MLPs and convolutional nets; ridge heads in closed form."""
    for case in CASES:
        yield _compare(case)
    if torch.cuda.is_available():
        yield _compare(ON_GPU)
    else:
        yield Result("ensemble", "128 small convolutional nets on a GPU", "not measured: no GPU")
    yield _heads()


def _compare(case: Case) -> Result:
    found, job = _job(case)
    programs: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        contenders = {
            "loop": partial(_loop, found, job),
            "ensemble": partial(_ensemble, found, job, Path(folder), programs),
        }
        turns = interleave(contenders, ROUNDS, warm_up=False)
    loop, whole = _scaled(turns["loop"], case.members / PLAIN), turns["ensemble"]
    ratio = quietest(loop, "training") / quietest(whole)
    text = f"{ratio:.1f} x: {seconds(quietest(loop, 'training'))} -> {seconds(quietest(whole))} "
    text += f"by {programs[-1]}; {ratios(loop, whole, 'training')}"
    target = f">= {case.target:g} x" if case.target else ""
    met = ratio >= case.target if case.target else None
    return Result("ensemble", f"{case.members} {case.what}", text, target, met)


def _job(case: Case) -> tuple[Plan, Job]:
    source: Source = digits()
    stream = class_incremental(source, "digits", Protocol(epochs=case.epochs), increment=10)
    training = {"lr": 0.05, "momentum": 0.9, "batch_size": 32}
    recipe = recipe_of({"backbone": case.backbone, "training": training}, stream.protocol)
    found = plan("originals", stream, source, case.members)
    return found, job_of(found, stream, source, recipe, case.device, CORES)


def _loop(found: Plan, job: Job) -> Parts:
    torch.set_num_threads(CORES)
    room = Room(job)
    start = time.perf_counter()
    for member in found.members[:PLAIN]:
        PlainLoop(room, member).finish()
    if job.device == "cuda":
        torch.cuda.synchronize()
    return {"training": [time.perf_counter() - start]}


def _ensemble(found: Plan, job: Job, folder: Path, programs: list[str]) -> Parts:
    torch.set_num_threads(CORES)
    path = folder / str(len(programs))
    start = time.perf_counter()
    train_ensemble(found, job, {}, path, Where())
    taken = time.perf_counter() - start
    programs.append(_program(path / TRIAL))
    return {"training": [taken]}


def _program(trial: Path) -> str:
    taken = json.loads(trial.read_bytes())
    spread = f" in {taken['processes']} processes" * (taken["processes"] > 1)
    return f"{taken['program']}, {taken['group']} together{spread}"


def _scaled(turns: list[Turn], factor: float) -> list[Turn]:
    found = [
        {name: [t * factor for t in times] for name, times in turn.parts.items()} for turn in turns
    ]
    return [Turn(parts) for parts in found]


def _heads(measured: int = 64, wanted: int = 10_000) -> Result:
    """Ridge heads on halves of the frozen features of the CIFAR-100 subset."""
    what = f"{wanted:,} ridge heads on halves of frozen CIFAR-100 features"
    if not (CONVNET.available and WEIGHTS.exists()):
        return Result("ensemble", what, "not measured: its data are not here")
    torch.set_num_threads(CORES)
    train = open_preset(CONVNET.preset, embed=BACKBONE).source.train
    x = torch.from_numpy(train.x.astype("float64"))
    y = torch.nn.functional.one_hot(torch.from_numpy(train.y.copy())).double()
    masks = random_subsets(len(x), measured, 0.5, 0)
    start = time.perf_counter()
    for _ in ridge_heads(x, y, masks, 1.0):
        pass
    each = (time.perf_counter() - start) / measured
    text = f"{each * wanted / 60:.1f} min, by {measured} of them; {tuple(x.shape)} in float64"
    return Result("ensemble", what, text, "minutes", each * wanted < 3600 / 4)
