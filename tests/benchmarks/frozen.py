"""Ten seeds of a prototype method on frozen features, once these are there: the whole process."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Result, seconds
from tests.benchmarks.setting import CONVNET, SHARED

MOST = 20.0
ROUNDS = 3
WEIGHTS = SHARED / "weights" / "resnet10t_cifar10_32.safetensors"
BACKBONE = f"resnet10t,mean_std=imagenet,weights={WEIGHTS}"


def run() -> Iterator[Result]:
    """`clbench sweep nmc split-cifar100-150-10 --embed ... --seeds 10`, into new folders."""
    what = f"nmc, {CONVNET.preset} embedded by resnet10t, 10 seeds"
    if not (CONVNET.available and WEIGHTS.exists()):
        yield Result("frozen", what, "not measured: its data or weights are not here")
        return
    first, *times = (_sweep() for _ in range(ROUNDS + 1))
    yield Result("frozen", f"{what}: first call", seconds(first))
    text = f"{seconds(min(times))} [to {seconds(max(times))}]"
    yield Result("frozen", what, text, f"< {MOST:.0f} s", max(times) < MOST)


def _sweep() -> float:
    clbench = Path(sys.executable).with_name("clbench")
    command = [str(clbench), "sweep", "nmc", CONVNET.preset, "--embed", BACKBONE, "--seeds", "10"]
    with tempfile.TemporaryDirectory() as folder:
        start = time.perf_counter()
        subprocess.run([*command, "--out", folder], check=True, capture_output=True)
        return time.perf_counter() - start
