"""Counting operations as they run: their FLOPs by torch's formulas, and the memory they hold."""

from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from torch import DispatchKey, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

from clbench.live import LiveBytes


class Counter(TorchDispatchMode):
    """Sums torch's formulas over operations; its own counter also follows modules, at a cost."""

    supports_higher_order_operators = True

    def __init__(self, live: LiveBytes | None = None) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.total = 0
        self.live = live

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        formula = flop_registry.get(getattr(func, "_overloadpacket", func))
        if formula is None and _is_composite(func):
            with self:
                return func.decompose(*args, **kwargs)
        if self.live:
            self.live.given(args, kwargs)
        out = func(*args, **kwargs)
        if self.live:
            self.live.made(out)
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


def peak_bytes(work: Callable[[], object]) -> int:
    """Most bytes in use at once by the tensors that `work` touches (see `LiveBytes`)."""
    live = LiveBytes()
    with Counter(live):
        work()
    return live.peak


@cache
def _is_composite(func: Any) -> bool:
    """Whether an operation is made of others: inference mode hands such on undivided."""
    return isinstance(func, torch._ops.OpOverload) and func.has_kernel_for_dispatch_key(
        DispatchKey.CompositeImplicitAutograd
    )
