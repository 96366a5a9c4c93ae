"""What an update cost: FLOPs by torch's formulas, seconds, peak memory.

Counting looks at every operation and would slow training down, so inside a training loop it
happens on sampled steps (1, 2, 16, 128, ...) and a step between is charged as the last sampled one,
in proportion to its size. Outside loops everything is counted.
"""

import resource
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import DispatchKey, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry


class FlopMeter:
    """Counts FLOPs between entering and leaving it; `steps` and `samples` served by loops."""

    def __init__(self) -> None:
        self.total = 0
        self.steps = 0
        self.samples = 0
        self.in_loop = False
        self._measuring = False
        self._counter: _Counter | None = None

    def __enter__(self) -> "FlopMeter":
        self._measuring = True
        self.count()
        return self

    def __exit__(self, *_: object) -> None:
        self._measuring = False
        self.rest()

    def loop(self) -> "LoopMeter":
        """A meter for the steps of one loop."""
        return LoopMeter(self)

    def count(self) -> None:
        """Count what runs from now on, unless this is left already."""
        if self._measuring and self._counter is None:
            self._counter = _Counter()  # type: ignore[no-untyped-call]
            self._counter.__enter__()  # type: ignore[no-untyped-call]

    def rest(self) -> None:
        """Let what runs from now on pass uncounted."""
        if self._counter is not None:
            self._counter.__exit__(None, None, None)  # type: ignore[no-untyped-call]
            self.total += self._counter.total
            self._counter = None


class LoopMeter:
    """Charges the steps of one loop to a meter, while it is entered.

    A step lasts until the next begins. A loop within a step of another is a part of that step.
    `samples` are those that its steps began with so far.
    """

    def __init__(self, meter: FlopMeter) -> None:
        self.samples = 0
        self._meter = meter
        self._outermost = False
        self._step = 0
        self._sampled = 0  # size of the step that is being counted, 0 if none is
        self._before = 0
        self._per_sample = 0.0

    def __enter__(self) -> "LoopMeter":
        self._outermost = not self._meter.in_loop
        if self._outermost:
            self._meter.in_loop = True
            self._meter.rest()
        return self

    def __exit__(self, *_: object) -> None:
        if self._outermost:
            self._settle()
            self._meter.in_loop = False
            self._meter.count()

    def step(self, size: int) -> None:
        """A step over `size` samples begins."""
        self.samples += size
        self._meter.steps += 1
        self._meter.samples += size
        if not self._outermost:
            return
        self._settle()
        self._step += 1
        if _is_sampled(self._step):
            self._sampled, self._before = size, self._meter.total
            self._meter.count()
        else:
            self._meter.total += round(self._per_sample * size)

    def _settle(self) -> None:
        if self._sampled:
            self._meter.rest()
            self._per_sample = (self._meter.total - self._before) / self._sampled
            self._sampled = 0


def _is_sampled(step: int) -> bool:
    """Whether a step is 1, 2, 16, 128, ...: the first, and two times a power of eight."""
    return step == 1 or (step & (step - 1) == 0 and step.bit_length() % 3 == 2)


class _Counter(TorchDispatchMode):
    """Sums torch's formulas over operations; its own counter also follows modules, at a cost."""

    supports_higher_order_operators = True
    total = 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(getattr(func, "_overloadpacket", func))
        if formula is None and _is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        out = func(*args, **kwargs)
        if formula is not None:
            self.total += _flops(formula, args, kwargs, out)
        return out


_known: dict[Any, int] = {}


def _flops(formula: Any, args: tuple[Any, ...], kwargs: dict[str, Any], out: Any) -> int:
    """The value of a formula, remembered by the shapes it is of: formulas are slow."""
    key = (formula, *(a.shape if isinstance(a, Tensor) else str(a) for a in args))
    if kwargs or key not in _known:
        _known[key] = formula(*args, **kwargs, out_val=out)
    return _known[key]


@cache
def _is_composite(func: Any) -> bool:
    """Whether an operation is made of others: inference mode hands such on undivided."""
    return isinstance(func, torch._ops.OpOverload) and func.has_kernel_for_dispatch_key(
        DispatchKey.CompositeImplicitAutograd
    )


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
