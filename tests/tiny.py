"""A stream that is played in some hundredths of a second."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clbench.ledger import Ledger
from clbench.method import Method
from clbench.play import play
from clbench.plugin import load
from clbench.settings import Settings
from clbench.source.base import Source
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream


@dataclass(frozen=True)
class Tiny:
    """Six classes of vectors in three updates."""

    stream: Stream
    source: Source

    def play(self, kind: type[Method], root: Path, **changes: Any) -> Ledger:
        """The run of a method with seed 0; `changes` go to `play`."""
        given = {"hyperparameters": {}, "seed": 0, "settings": Settings(threads=1)} | changes
        return play(self.stream, self.source, kind, root=root, **given)


def tiny_stream(**protocol: Any) -> Tiny:
    """A tiny stream under the given protocol."""
    source = synthetic(classes=6, per_class=20, test_per_class=10, dim=8)
    rules = Protocol(**({"epochs": 2} | protocol))
    return Tiny(load("streams", "class_incremental")(source, "tiny", rules, increment=2), source)
