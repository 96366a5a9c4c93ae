"""How long scoring a thousand runs takes: `python tests/benchmarks/scoring.py [runs] [jobs]`.

Each run has 10 updates and 2,000 test samples in the compact form. Few distinct payloads are
made and linked into all runs, so that making them is quick; every run is read as any other.
"""

import os
import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from clbench.archive import find_ledgers
from clbench.ledger import Ledger
from clbench.score import score_runs
from clbench.summary import summarise
from fakes import random_run, run_record, stream_record

METHODS, STREAMS = 20, 5


def make_runs(root: Path, runs: int) -> None:
    """Runs of 20 methods, the control `joint` among them, on 5 streams, over as many seeds."""
    classes = [(2 * e, 2 * e + 1) for e in range(10)]
    streams = [stream_record(classes, [200] * 10, fingerprint=f"{s:064x}") for s in range(STREAMS)]
    payloads = [random_run(root / f"payload{i}", streams[0], rng=i).path for i in range(4)]
    for i in range(runs):
        seed, rest = divmod(i, METHODS * STREAMS)
        stream, method = streams[rest % STREAMS], rest // STREAMS
        name = f"method{method}" if method else "joint"
        ledger = Ledger(root / "runs" / f"{i:05d}")
        record = run_record(stream, method=name, control=not method, seed=seed)
        source = payloads[i % len(payloads)] / "versions"
        shutil.copytree(source, ledger.path / "versions", copy_function=os.link)
        (ledger.path / "run.json").write_text(record.model_dump_json())


def main(runs: int = 1000, jobs: int = 1) -> None:
    """Print seconds and peak memory."""
    with tempfile.TemporaryDirectory() as folder:
        make_runs(Path(folder), runs)
        start = time.perf_counter()
        found = find_ledgers(Path(folder) / "runs")
        located = time.perf_counter()
        scores = score_runs(found, jobs=jobs)
        scored = time.perf_counter()
        rows = summarise(scores)
        done = time.perf_counter()
    print(
        f"{runs} runs, {len(scores.metrics)} metrics, {len(rows)} rows, {jobs} "
        f"jobs: find {located - start:.2f} s, score {scored - located:.2f} s, "
        f"summarise {done - scored:.2f} s, peak {peak_mib():.0f} MiB"
    )


def peak_mib() -> float:
    """Most memory that this process has held.

    `ru_maxrss` begins at what the process was forked from held: that of a benchmark with torch.
    """
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
