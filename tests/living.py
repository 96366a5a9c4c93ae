"""Methods played by hand on small streams, so that tests can look at each version."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from clbench import state
from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.ledger import Ledger
from clbench.method import Method
from clbench.play import Run
from clbench.recording import run_record
from clbench.settings import Settings
from clbench.source.base import Source
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream
from clbench_scenarios.class_incremental import class_incremental


def gaussians(classes: int = 4, per_class: int = 20) -> Source:
    """Vectors of six numbers; classes that hardly overlap."""
    return synthetic(classes=classes, per_class=per_class, test_per_class=10, dim=6, separation=8.0)


def stream_of(source: Source, increment: int = 2, **protocol: Any) -> Stream:
    return class_incremental(source, "test", Protocol(**protocol), increment=increment)


def begun(
    folder: Path, kind: type[Method], stream: Stream, source: Source, seed: int = 0, **given: Any
) -> Run:
    """A run of which nothing has been played."""
    record = run_record(stream, source, kind, given, seed, Settings(threads=1))
    ledger = Ledger(folder / f"{kind.__name__}-{record.key[:12]}")
    ledger.begin(record)
    return Run(ledger, stream, source, kind, given)


def versions(run: Run) -> Iterator[Method]:
    """The method after each update, made anew from its state as the runner does."""
    method = run.built()
    for version in range(1, len(run.stream.updates) + 1):
        run.update(method, version, FlopMeter())
        carried = state.pack(method.state())
        method = run.rebuilt(carried)
        yield run.rebuilt(carried)  # a copy, which the next update leaves as it is


def weights(method: Method) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in method.model.named_parameters()}


def same(one: dict[str, Tensor], two: dict[str, Tensor]) -> bool:
    """Whether two sets of weights are equal to the last bit."""
    return one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)


def assert_close(one: dict[str, Tensor], two: dict[str, Tensor], **tolerances: float) -> None:
    assert one.keys() == two.keys()
    for name in one:
        torch.testing.assert_close(one[name], two[name], **tolerances)


def data(run: Run, version: int) -> tuple[Tensor, Tensor]:
    """Prepared inputs and labels of the update that makes a version."""
    ids = torch.from_numpy(run.stream.updates[version - 1].samples)
    samples = run.samples["train"]
    return to_input(samples.gather(ids)), samples.y[ids]
