"""What an update cost: FLOPs by torch's formulas, seconds, peak memory.

Counting looks at every operation and would slow training down, so inside a training loop it
happens on sampled steps (1, 2, 16, 128, ...) and a step between is charged as the last sampled one,
in proportion to its size. Outside loops everything is counted.

Under a memory-adjusted budget a step of a training loop is charged in proportion to its memory;
what is done beside training is charged its FLOPs alone, as it has no step to compare with.
"""

import resource
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import torch

from clbench.budget import Gate
from clbench.counter import Counter
from clbench.live import LiveBytes


class FlopMeter:
    """Counts FLOPs between entering and leaving it; `steps` and `samples` served by loops.

    `charged` is what counts towards a budget: the FLOPs, with `reference` (bytes) those of training
    steps x the most memory that the step held / reference.
    """

    def __init__(self, gate: Gate | None = None, reference: int | None = None) -> None:
        self.total = 0
        self.charged = 0.0
        self.steps = 0
        self.samples = 0
        self.shown = 0  # of the samples, those of the stream: what is rehearsed is not
        self.in_loop = False
        self.gate = gate
        self._reference = reference
        self._measuring = False
        self._counter: Counter | None = None

    def __enter__(self) -> "FlopMeter":
        self._measuring = True
        self.count()
        return self

    def __exit__(self, *_: object) -> None:
        self._measuring = False
        self.rest()

    def loop(self, training: int = 0) -> "LoopMeter":
        """A meter for the steps of one loop; of a training loop, with its samples in all."""
        return LoopMeter(self, training)

    def affords(self, sizes: Sequence[int]) -> int:
        """How many steps of these sizes the next training loop will take, as far as is known."""
        if self.gate is None:
            return len(sizes)
        if not self.in_loop:
            self.rest()
            self.count()
        return self.gate.affords(self.charged, sizes)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Let memory that is touched now pass unseen: it is not the method's."""
        live = self._counter.live if self._counter else None
        if live is None:
            yield
            return
        live.looking = False
        try:
            yield
        finally:
            live.looking = True

    def count(self, *, training: bool = False) -> None:
        """Count what runs from now on, unless this is left already; memory in training alone."""
        if self._measuring and self._counter is None:
            self._counter = Counter(LiveBytes() if training and self._reference else None)
            self._counter.__enter__()  # type: ignore[no-untyped-call]

    @property
    def counting(self) -> bool:
        """Whether what runs now is counted."""
        return self._counter is not None

    def rest(self) -> None:
        """Let what runs from now on pass uncounted."""
        if self._counter is not None:
            self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self.total += self._counter.total
            self.charged += self._counter.total * self._weight(self._counter.live)
            self._counter = None

    def _weight(self, live: LiveBytes | None) -> float:
        return live.peak / self._reference if live and self._reference else 1.0


class LoopMeter:
    """Charges the steps of one loop to a meter, while it is entered.

    A step lasts until the next begins. A loop within a step of another is a part of that step.
    `samples` are those that its steps began with so far.
    """

    def __init__(self, meter: FlopMeter, training: int = 0) -> None:
        self.samples = 0
        self._meter = meter
        self._training = training
        self._gate = meter.gate if training else None
        self._outermost = False
        self._step = 0
        self._sampled = 0  # size of the step that is being counted, 0 if none is
        self._before = (0, 0.0)  # FLOPs and charge
        self._per_sample = 0.0
        self._charge: float | None = None  # of a sample
        self._weight = 1.0  # charge of a FLOP, as the largest counted step has it
        self._largest = 0

    def __enter__(self) -> "LoopMeter":
        self._outermost = not self._meter.in_loop
        if self._outermost:
            self._meter.in_loop = True
            self._meter.rest()
            if self._gate:
                self._gate.begin(self._meter.charged, self._training)
        return self

    def __exit__(self, *_: object) -> None:
        if self._outermost:
            self._settle()
            if self._gate:
                self._gate.end(self._meter.charged, self._charge)
            self._meter.in_loop = False
            self._meter.count()

    def step(self, size: int) -> bool:
        """A step over `size` samples begins; False if a budget forbids it."""
        if self._outermost:
            self._settle()
            if self._gate and not self._gate.admits(self._meter.charged, size, self._charge):
                return False
        self.samples += size
        self._meter.steps += 1
        self._meter.samples += size
        if self._outermost:
            self._begin(size)
        return True

    def _begin(self, size: int) -> None:
        self._step += 1
        if _is_sampled(self._step):
            self._sampled, self._before = size, (self._meter.total, self._meter.charged)
            self._meter.count(training=self._training > 0)
        else:
            flops = round(self._per_sample * size)
            self._meter.total += flops
            self._meter.charged += flops * self._weight

    def _settle(self) -> None:
        if self._sampled:
            self._meter.rest()
            total, charged = self._before
            flops = self._meter.total - total
            if flops and self._sampled >= self._largest:  # a small last batch holds less memory
                self._largest = self._sampled
                self._weight = (self._meter.charged - charged) / flops
            self._meter.charged = charged + flops * self._weight
            self._per_sample = flops / self._sampled
            self._charge = self._per_sample * self._weight
            self._sampled = 0


def _is_sampled(step: int) -> bool:
    """Whether a step is 1, 2, 16, 128, ...: the first, and two times a power of eight."""
    return step == 1 or (step & (step - 1) == 0 and step.bit_length() % 3 == 2)


def reset_peak_memory(device: torch.device) -> None:
    """Forget earlier peaks, where the system allows it."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    elif Path("/proc/self/clear_refs").exists():
        with suppress(OSError):  # a container may forbid it
            Path("/proc/self/clear_refs").write_text("5")


def peak_memory(device: torch.device) -> int:
    """Largest memory in bytes since the reset: of the device, or of this process on a CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    status = Path("/proc/self/status")
    if status.exists():
        rows = status.read_text().splitlines()
        if peaks := [row for row in rows if row.startswith("VmHWM")]:
            return int(peaks[0].split()[1]) * 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
