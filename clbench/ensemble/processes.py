"""Workers in processes of this machine; one that dies is replaced, and its task done again."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager

from clbench.ensemble.choose import Choice, Program
from clbench.ensemble.job import Job
from clbench.ensemble.members import Member
from clbench.ensemble.rows import Rows
from clbench.ensemble.worker import Task, Worker
from clbench.errors import ClbenchError
from clbench.sweep import belong_to_parent

DEATHS = 3  # in a row, without a task done in between

_worker: Worker | None = None  # of a process that was started for it


class Processes:
    """A pool of spawned processes: a fork would inherit torch's threads in an unknown state."""

    def __init__(self, job: Job, number: int) -> None:
        self.workers = number
        self._job, self._deaths = job, 0
        self._tasks: dict[Future[Rows], Task] = {}
        self._pool = self._started()

    def choose(self, members: Sequence[Member], program: Program | None) -> Choice:
        """The fastest program, found in one of the processes.

        Raises:
            ClbenchError: workers die again and again, or the program cannot train the members.
        """
        while True:
            try:
                return self._pool.submit(_choose, tuple(members), program).result()
            except BrokenProcessPool:
                self._restart([])

    @property
    def busy(self) -> int:
        """Tasks that are not done."""
        return len(self._tasks)

    def submit(self, task: Task) -> None:
        """Have a task done.

        Raises:
            ClbenchError: workers die again and again.
        """
        try:
            self._tasks[self._pool.submit(_train, task)] = task
        except BrokenProcessPool:
            self._restart([*self._tasks.values(), task])

    def wait(self) -> tuple[Task, Rows]:
        """The next task that is done.

        Raises:
            ClbenchError: workers die again and again.
        """
        while True:
            done = wait(self._tasks, return_when=FIRST_COMPLETED).done.pop()
            task = self._tasks.pop(done)
            try:
                rows = done.result()
            except BrokenProcessPool:
                self._restart([task, *self._tasks.values()])
                continue
            self._deaths = 0
            return task, rows

    def close(self) -> None:
        """End the processes, at once."""
        for process in list((self._pool._processes or {}).values()):
            process.kill()  # what is recorded is on the disk
        self._pool.shutdown(cancel_futures=True)

    def _restart(self, tasks: Sequence[Task]) -> None:
        self._deaths += 1
        if self._deaths >= DEATHS:
            raise ClbenchError(
                f"worker processes died {DEATHS} times in a row (killed, or out of memory); rows "
                "that are complete are kept: run again with fewer --processes"
            )
        self._tasks.clear()
        self.close()
        self._pool = self._started()
        for each in tasks:
            self.submit(each)

    def _started(self) -> ProcessPoolExecutor:
        return ProcessPoolExecutor(
            self.workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._job,),
        )


@contextmanager
def processes(job: Job, number: int) -> Iterator[Processes]:
    """A pool that ends with the block, whatever is still in flight."""
    pool = Processes(job, number)
    try:
        yield pool
    finally:
        pool.close()


def _begin(job: Job) -> None:
    global _worker
    belong_to_parent()
    _worker = Worker(job)


def _choose(members: Sequence[Member], program: Program | None) -> Choice:
    assert _worker is not None
    return _worker.choose(members, program)


def _train(task: Task) -> Rows:
    assert _worker is not None
    return _worker.train(task)
