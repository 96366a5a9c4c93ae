"""What unlearning starts from where several updates teach: all is learnt, nothing forgotten."""

from pathlib import Path

import pytest

from clbench import plugin
from clbench.running import load_method
from clbench.source.synthetic import synthetic
from clbench.stream import Protocol
from tiny import Tiny


@pytest.fixture(scope="module")
def task() -> Tiny:
    """Three updates of two classes, then a request to forget the second."""
    source = synthetic(classes=6, per_class=20, test_per_class=10, dim=8)
    forget = {"name": "task", "tasks": [1]}
    plan = plugin.load("streams", "unlearning")(
        source, "task", Protocol(epochs=2, retained=1.0), increment=2, forget=forget
    )
    return Tiny(plan, source)


def weights(task: Tiny, method: str, root: Path) -> list[bytes]:
    ledger = task.play(load_method(method), root / method)
    return [ledger.read(version, "state.safetensors") for version in range(5)]


def test_all_is_learnt_as_unlearning_starts_and_the_request_changes_nothing(
    task: Tiny, tmp_path: Path
) -> None:
    ignoring, oracle = (weights(task, name, tmp_path) for name in ("ignore_requests", "retrain"))
    assert ignoring[:4] == oracle[:4]
    assert len(set(ignoring[:4])) == 4
    assert ignoring[4] == ignoring[3] != oracle[4]


def test_doing_nothing_does_not_learn_the_later_updates(task: Tiny, tmp_path: Path) -> None:
    nothing = weights(task, "do_nothing", tmp_path)
    assert nothing[1] == nothing[2] == nothing[4]
