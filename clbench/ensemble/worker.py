"""What a worker does, in this process or another: train the members of a task."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch

from clbench.ensemble.choose import Choice, Program, choose
from clbench.ensemble.job import Job, Room
from clbench.ensemble.members import Member
from clbench.ensemble.rows import Answering, Keep, Rows, rows_of


@dataclass(frozen=True)
class Task:
    """Members to train by one program, and the rows of the store that they are."""

    rows: tuple[int, ...]
    members: tuple[Member, ...]
    choice: Choice
    keep: Keep


class Worker:
    """Holds the data of a job and trains its members."""

    def __init__(self, job: Job) -> None:
        if job.threads:
            torch.set_num_threads(job.threads)
        self.room = Room(job)
        self._answering = Answering(self.room)

    def choose(self, members: Sequence[Member], program: Program | None) -> Choice:
        """The fastest program on this worker's device."""
        return choose(self.room, members, program)

    def train(self, task: Task) -> Rows:
        """The rows of a task."""
        return rows_of(self.room, self._answering, task.members, task.choice, task.keep)


class Pool(Protocol):
    """Workers, of which each does one task at a time."""

    def choose(self, members: Sequence[Member], program: Program | None) -> Choice:
        """The fastest program, as one of the workers finds it."""

    @property
    def workers(self) -> int:
        """How many there are."""

    @property
    def busy(self) -> int:
        """How many tasks are not done yet."""

    def submit(self, task: Task) -> None:
        """Have a task done."""

    def wait(self) -> tuple[Task, Rows]:
        """The next task that is done, with its rows.

        Raises:
            ClbenchError: it cannot be done.
        """


class Serial:
    """A pool of this process alone."""

    workers = 1

    def __init__(self, job: Job) -> None:
        self._worker = Worker(job)
        self._waiting: list[Task] = []

    @property
    def room(self) -> Room:
        """The data of the job, on its device."""
        return self._worker.room

    def choose(self, members: Sequence[Member], program: Program | None) -> Choice:
        """The fastest program."""
        return self._worker.choose(members, program)

    @property
    def busy(self) -> int:
        """Tasks that were handed in and not waited for."""
        return len(self._waiting)

    def submit(self, task: Task) -> None:
        """Keep a task until it is waited for."""
        self._waiting.append(task)

    def wait(self) -> tuple[Task, Rows]:
        """Do the oldest task."""
        task = self._waiting.pop(0)
        return task, self._worker.train(task)
