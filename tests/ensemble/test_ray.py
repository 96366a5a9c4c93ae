"""The same command on a Ray cluster of two nodes on this machine, a worker of which is killed."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ensembles import assert_same, forgetting, job, trained, vectors

from clbench.ensemble.members import plan
from clbench.ensemble.trainer import Where, train_ensemble
from clbench.errors import ClbenchError

WITHOUT = "Ray is not installed (extra ray)"


def missing() -> bool:
    try:
        import ray  # noqa: F401
    except ModuleNotFoundError:
        return True
    return False


@pytest.mark.skipif(not missing(), reason="Ray is installed")
def test_without_ray_the_error_tells_how_to_install_it(tmp_path: Path) -> None:
    with pytest.raises(ClbenchError, match=r"--on ray needs Ray: pip install 'clbench\[ray\]'"):
        trained(tmp_path, on="ray")


@pytest.mark.skipif(missing(), reason=WITHOUT)
@pytest.mark.filterwarnings("ignore")  # Ray's own
class TestTwoNodes:
    @pytest.fixture(scope="class")
    def cluster(self) -> Iterator[Any]:
        import ray
        from ray.cluster_utils import Cluster

        cluster = Cluster(
            initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False}
        )
        cluster.add_node(num_cpus=1)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
        yield cluster
        ray.shutdown()
        cluster.shutdown()

    def test_a_killed_worker_and_a_lost_node_cost_no_member(
        self, cluster: Any, tmp_path: Path
    ) -> None:
        whole = trained(tmp_path / "whole", count=8, program="loop")
        assert len({node["NodeID"] for node in _nodes()}) == 2
        told: list[int] = []

        def disturb(done: int, total: int) -> None:
            told.append(done)
            if done == 1:
                os.kill(_worker_pids()[0], signal.SIGKILL)
            if done == 4:
                cluster.remove_node(cluster.list_all_nodes()[1])

        found = plan("originals", forgetting(), vectors(), 8)
        given = job(found, forgetting(), vectors())
        where = Where("ray", program="loop")
        store = train_ensemble(found, given, {}, tmp_path / "ray", where, disturb)
        assert told[-1] == 8
        assert_same(store, whole, rtol=0, atol=0)


def _nodes() -> list[dict[str, Any]]:
    import ray

    found: list[dict[str, Any]] = [node for node in ray.nodes() if node["Alive"]]
    return found


def _worker_pids() -> list[int]:
    """Processes that run a task, found by the title that Ray gives them."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                title = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if title.startswith(b"ray::_train") or title.startswith(b"ray::IDLE"):
                found.append((not title.startswith(b"ray::_train"), int(entry.name)))
    return [pid for _, pid in sorted(found)]
