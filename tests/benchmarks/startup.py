"""How long the command line takes to answer, in fresh processes, and that torch stays out."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from tests.benchmarks.measure import Result, seconds

MOST = 0.5
ROUNDS = 11
PROBE = """
import contextlib, io, sys
sys.argv = ["clbench", *sys.argv[1:]]
from clbench.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main()
print("torch" in sys.modules)
"""
SCORING = (
    "import sys, clbench.archive, clbench.score, clbench.summary; print('torch' in sys.modules)"
)


def run() -> Iterator[Result]:
    """`--help`, `list`, and what scoring imports."""
    clbench = str(Path(sys.executable).with_name("clbench"))
    for arguments in (["--help"], ["list"]):
        what = f"clbench {' '.join(arguments)}"
        turns = sorted(_timed([clbench, *arguments]) for _ in range(ROUNDS + 1))[:ROUNDS]
        walls, processor = zip(*turns, strict=True)
        median = statistics.median(walls)
        text = f"{seconds(median)} [{seconds(min(walls))}, {seconds(max(walls))}], "
        text += f"{seconds(statistics.median(processor))} of the processor"
        yield Result("startup", what, text, f"< {MOST} s", median < MOST)
        yield _without_torch(what, PROBE, arguments)
    yield _without_torch("scoring", SCORING, [])


def _timed(command: Sequence[str]) -> tuple[float, float]:
    """Seconds on the wall, and of the processor."""
    wall, before = time.perf_counter(), os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system
    return time.perf_counter() - wall, used - before.children_user - before.children_system


def _without_torch(what: str, code: str, arguments: Sequence[str]) -> Result:
    command = [sys.executable, "-c", code, *arguments]
    found = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    absent = found == "False"
    text = "not imported" if absent else "imported"
    return Result("startup", f"{what}: torch", text, "not imported", absent)
