"""Avalanche (2104.00405): our streams as its benchmarks, its strategies as methods.

`avalanche:Replay` stands wherever the name of a method does. Avalanche is imported when a function
here is called, and not before.
"""

import warnings
from typing import Any

from clbench.augment import Augmentation
from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.source.base import Source
from clbench.stream import Stream

__all__ = ["benchmark", "method"]


def benchmark(stream: Stream, source: Source, augmentation: Augmentation = "none") -> Any:
    """A stream as an Avalanche benchmark: `train_stream` and `test_stream`, samples in memory.

    An experience of the first is an update, one of the second an evaluation set. Inputs are float
    tensors in [0, 1], training images augmented one by one. Labels are those of the stream, and
    `experience.dataset.ids` are its sample ids. Task labels are there where the protocol gives
    them; otherwise all samples are of task 0, and experiences say nothing of tasks.

    Raises:
        ClbenchError: Avalanche is missing, or an update is not of kind `learn`.
    """
    _require()
    from clbench.interop.avalanche.experience import of_stream

    return of_stream(stream, source, augmentation)


def method(name: str) -> type[Method]:
    """The method class of a strategy, `Replay`, or of one with plugins, `Naive+EWC+LwF`.

    Raises:
        ClbenchError: Avalanche is missing, has no such strategy or plugin, or it wants what we
            have no counterpart for.
    """
    _require()
    from clbench.interop.avalanche.naming import method_class

    return method_class(name)


def _require() -> None:
    try:
        with warnings.catch_warnings():  # it warns of solvers that it might have used
            warnings.simplefilter("ignore")
            import avalanche.training.supervised  # noqa: F401
    except ModuleNotFoundError as error:
        raise ClbenchError(
            f"Avalanche cannot be imported, as there is no {error.name}: "
            "pip install clbench[avalanche]"
        ) from error
