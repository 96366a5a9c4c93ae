"""What all tests share: one thread, a cache of their own, and the marker of data beside us."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from odd_methods import Guided
from tiny import Tiny, tiny_stream

TESTS = Path(__file__).parent
SHARED = TESTS.parent.parent / "shared"

os.environ["OMP_NUM_THREADS"] = "1"  # what tests start as processes inherits it
torch.set_num_threads(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    if SHARED.is_dir():
        return
    absent = pytest.mark.skip(reason=f"needs the data and weights of {SHARED}, which is not there")
    for item in items:
        if item.get_closest_marker("shared"):
            item.add_marker(absent)


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        folder = tmp_path_factory.mktemp("cache")
        patch.setenv("CLBENCH_CACHE", str(folder))
        yield folder


@pytest.fixture(autouse=True)
def nothing_left_over() -> Iterator[None]:
    """No test inherits the hooks of another."""
    yield
    Guided.hooks.clear()


@pytest.fixture(scope="session")
def tiny() -> Tiny:
    return tiny_stream()
