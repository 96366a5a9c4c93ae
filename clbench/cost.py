"""What an update cost: FLOPs by torch's counter, seconds, peak memory.

Counting every operation would slow training down, so inside a training loop the counter runs on
sampled steps (1, 2, 4, 8, ...) and a step between is charged as the last sampled one, in
proportion to its size. Outside loops everything is counted.
"""

import resource
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

import torch
from torch.utils.flop_counter import FlopCounterMode


class FlopMeter:
    """Counts FLOPs between entering and leaving it; `steps` and `samples` served by loops."""

    def __init__(self) -> None:
        self.total = 0
        self.steps = 0
        self.samples = 0
        self._counter: FlopCounterMode | None = None

    def __enter__(self) -> "FlopMeter":
        self._start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def loop(self) -> "LoopMeter":
        """A meter for the steps of one loop."""
        return LoopMeter(self)

    @property
    def running(self) -> bool:
        """Whether operations are being counted now."""
        return self._counter is not None

    def _start(self) -> None:
        self._counter = FlopCounterMode(display=False)
        self._counter.__enter__()

    def _stop(self) -> None:
        if self._counter is not None:
            self._counter.__exit__(None, None, None)
            self.total += self._counter.get_total_flops()
            self._counter = None

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Run something without counting it."""
        self._stop()
        try:
            yield
        finally:
            self._start()

    @contextmanager
    def counted(self) -> Iterator[None]:
        """Settle the total before and after, so that their difference is what ran inside."""
        with self.paused():
            self._start()
            try:
                yield
            finally:
                self._stop()


class LoopMeter:
    """Charges the steps of one loop to a meter."""

    def __init__(self, meter: FlopMeter) -> None:
        self._meter = meter
        self.samples = 0
        self._step = 0
        self._per_sample = 0.0

    @contextmanager
    def step(self, size: int) -> Iterator[None]:
        """One step over `size` samples."""
        meter, self._step = self._meter, self._step + 1
        self.samples += size
        meter.steps += 1
        meter.samples += size
        if not meter.running:  # not measuring, or inside a step that is charged as a whole
            yield
        elif self._step & (self._step - 1) == 0:
            with meter.counted():
                before = meter.total
                yield
            self._per_sample = (meter.total - before) / size
        else:
            meter.total += round(self._per_sample * size)
            with meter.paused():
                yield


def reset_peak_memory(device: torch.device) -> None:
    """Forget earlier peaks, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Largest memory in bytes since the reset: of the device, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        line = next(row for row in status.read_text().splitlines() if row.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
