"""Workers on a Ray cluster: the data are put into its store once, tasks go wherever there is room.

A task whose worker or node dies is done again elsewhere. Rows come back to the process that
started the job, which alone writes the store: other nodes need no access to its folder.
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

from clbench.ensemble.choose import Choice, Program
from clbench.ensemble.job import Job
from clbench.ensemble.members import Member
from clbench.ensemble.rows import Rows
from clbench.ensemble.worker import Task, Worker
from clbench.errors import ClbenchError

RETRIES = 5  # of a task, when its worker or node dies


class Cluster:
    """A pool of a cluster's CPUs, or of its GPUs where the job is for such."""

    def __init__(self, ray: Any, job: Job) -> None:
        self._ray = ray
        self._name, self._job = uuid4().hex, ray.put(job)
        self._tasks: dict[Any, Task] = {}
        gpu = job.device != "cpu"
        cpus = job.threads or 1
        found = ray.cluster_resources()
        self.workers = int(found.get("GPU", 0) if gpu else found.get("CPU", 0) // cpus)
        if self.workers < 1:
            what = "GPU" if gpu else f"worker of {cpus} CPUs"
            raise ClbenchError(f"the Ray cluster has no {what}; add a node, or change --device")
        options = {"num_cpus": cpus, "num_gpus": int(gpu), "max_retries": RETRIES}
        self._train = ray.remote(**options)(_train)
        self._choose = ray.remote(**options)(_choose)

    def choose(self, members: Sequence[Member], program: Program | None) -> Choice:
        """The fastest program, found on a node of the cluster."""
        found = self._choose.remote(self._name, self._job, tuple(members), program)
        choice: Choice = self._got(found)
        return choice

    @property
    def busy(self) -> int:
        """Tasks that are not done."""
        return len(self._tasks)

    def submit(self, task: Task) -> None:
        """Have a task done."""
        self._tasks[self._train.remote(self._name, self._job, task)] = task

    def wait(self) -> tuple[Task, Rows]:
        """The next task that is done.

        Raises:
            ClbenchError: its workers die again and again, or what it raised.
        """
        (done,), _ = self._ray.wait(list(self._tasks), num_returns=1)
        task = self._tasks.pop(done)
        return task, self._got(done)

    def _got(self, reference: Any) -> Any:
        errors = self._ray.exceptions
        try:
            return self._ray.get(reference)
        except errors.RayTaskError as error:
            if isinstance(error.cause, ClbenchError):
                raise error.cause from None
            raise
        except (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError) as error:
            reason = str(error).partition("\n")[0]
            raise ClbenchError(
                f"a task failed on the Ray cluster {RETRIES + 1} times ({reason}); rows that are "
                "complete are kept: run again"
            ) from None


@contextmanager
def cluster(job: Job) -> Iterator[Cluster]:
    """A pool of the cluster at RAY_ADDRESS, or of one on this machine that ends with the block.

    Raises:
        ClbenchError: Ray is not installed, or the cluster cannot be reached.
    """
    try:
        import ray
    except ModuleNotFoundError:
        raise ClbenchError("--on ray needs Ray: pip install 'clbench[ray]'") from None
    address = os.environ.get("RAY_ADDRESS")
    mine = not ray.is_initialized()
    if mine:
        try:
            ray.init(address=address, log_to_driver=False, logging_level="ERROR")
        except ConnectionError as error:
            raise ClbenchError(f"the Ray cluster at {address} cannot be reached: {error}") from None
    try:
        yield Cluster(ray, job)
    finally:
        if mine:
            ray.shutdown()


_workers: dict[str, Worker] = {}  # of a process of Ray's, which does many tasks of a job


def _worker(name: str, job: Job) -> Worker:
    if name not in _workers:
        _workers.clear()
        _workers[name] = Worker(job)
    return _workers[name]


def _train(name: str, job: Job, task: Task) -> Rows:
    return _worker(name, job).train(task)


def _choose(name: str, job: Job, members: Sequence[Member], program: Program | None) -> Choice:
    return _worker(name, job).choose(members, program)
