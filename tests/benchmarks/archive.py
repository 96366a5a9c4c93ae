"""Scoring a thousand recorded runs, in a process of its own."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests.benchmarks.measure import Result

RUNS = 1000
MOST_SECONDS, MOST_MIB = 30.0, 2048


def run() -> Iterator[Result]:
    """Find, score and summarise runs of 10 updates and 2,000 test samples, in one process."""
    script = Path(__file__).with_name("scoring.py")
    command = [sys.executable, str(script), str(RUNS)]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    took = sum(float(found) for found in re.findall(r"([\d.]+) s\b", printed))
    peak = int(re.findall(r"peak (\d+) MiB", printed)[0])
    target = f"< {MOST_SECONDS:.0f} s, < {MOST_MIB} MiB"
    met = took < MOST_SECONDS and peak < MOST_MIB
    yield Result("scoring", f"{RUNS} runs, 1 process", f"{took:.1f} s, {peak} MiB", target, met)
