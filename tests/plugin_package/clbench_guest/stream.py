"""A stream generator of a third party."""

from clbench.source.base import Source
from clbench.stream import Protocol, Stream
from clbench_scenarios.class_incremental import class_incremental


def guest_halves(source: Source, name: str, protocol: Protocol) -> Stream:
    """Half of the classes, then the others."""
    return class_incremental(source, name, protocol, increment=len(source.classes) // 2)
