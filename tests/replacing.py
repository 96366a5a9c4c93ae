"""Runs on small streams of replacement."""

from pathlib import Path
from typing import Any

from clbench.method import Method
from clbench.play import Run
from clbench.stream import Protocol
from clbench_scenarios.replacement import replacement
from living import begun, gaussians

SMALL = {"backbone": "mlp,width=8", "training": {"lr": 0.05}}


def replacing(
    folder: Path,
    kind: type[Method],
    *,
    shares: tuple[float, ...] = (0.5, 1.0),
    classes: tuple[int, ...] | None = None,
    epochs: int = 4,
    seed: int = 0,
    **given: Any,
) -> Run:
    """A run of four classes of vectors, nothing played yet."""
    source = gaussians()
    options = {} if classes is None else {"classes": list(classes)}
    stream = replacement(source, "test", Protocol(epochs=epochs), shares=list(shares), **options)
    return begun(folder, kind, stream, source, seed, **SMALL | given)
