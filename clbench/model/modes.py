"""Train and eval modes of modules, wherever an object holds them."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
from torch import Tensor, nn

WITHOUT_MODULES = (str, bytes, Tensor, np.ndarray, Iterator)


def modules_in(held: Any) -> Iterator[nn.Module]:
    """Modules among nested values, in containers too; not the parts of a module."""
    if isinstance(held, nn.Module):
        yield held
    elif isinstance(held, Mapping):
        yield from modules_in(list(held.values()))
    elif isinstance(held, Iterable) and not isinstance(held, WITHOUT_MODULES):
        for each in held:
            yield from modules_in(each)


@contextmanager
def modes_kept(held: Any) -> Iterator[None]:
    """The mode of every module among nested values, and of its parts, is put back after."""
    modes = [(part, part.training) for module in modules_in(held) for part in module.modules()]
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode
