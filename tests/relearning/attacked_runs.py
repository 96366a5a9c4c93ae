"""Small runs with --relearn, and what they recorded."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from clbench import plugin
from clbench.ledger import Ledger
from clbench.method import Method
from clbench.relearnfile import Original, Relearnt
from clbench.running import load_method
from clbench.settings import Settings
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol, Stream
from tiny import Tiny

ATTACKED = Settings(threads=1, relearn=True)


def forgetful(forget: Any = None, **protocol: Any) -> Tiny:
    """160 samples of four classes, of which the first class or others are forgotten."""
    source = synthetic(classes=4, per_class=40, test_per_class=10, dim=8)
    rules = Protocol(**({"epochs": 4, "retained": 1.0} | protocol))
    generator: Callable[..., Stream] = plugin.load("streams", "unlearning")
    chosen = forget or {"name": "class", "classes": [0]}
    return Tiny(generator(source, "small", rules, forget=chosen), source)


def attacked(small: Tiny, name: str | type[Method], root: Path, **changes: Any) -> Ledger:
    kind = load_method(name) if isinstance(name, str) else name
    given = {"hyperparameters": dict(kind.quick), "settings": ATTACKED} | changes
    return small.play(kind, root, **given)


def original(ledger: Ledger) -> Original:
    return Original.model_validate_json(ledger.read(1, "original.json"))


def relearnt(ledger: Ledger, version: int = 2) -> Relearnt:
    return Relearnt.model_validate_json(ledger.read(version, "relearn.json"))
