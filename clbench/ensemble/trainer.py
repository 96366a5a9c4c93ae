"""Trains the members of a plan into a store: by the fastest program, here or on many machines."""

import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from clbench.ensemble.choose import Choice, Program
from clbench.ensemble.claims import Claims, claims
from clbench.ensemble.job import Job, Room
from clbench.ensemble.making import open_store
from clbench.ensemble.members import Member, Plan
from clbench.ensemble.processes import processes
from clbench.ensemble.ray import cluster
from clbench.ensemble.rows import fields_of
from clbench.ensemble.store import AnyArray, Spec, Store
from clbench.ensemble.weigh import weigh
from clbench.ensemble.worker import Pool, Serial, Task
from clbench.files import write_atomic

On = Literal["auto", "serial", "processes", "ray"]
TASKS_EACH = 4  # a worker, at least, so that all end at about the same time
AHEAD = 1  # tasks more than workers that are handed in
POLL_SECONDS = 0.5
TRIAL = "trial.json"


@dataclass(frozen=True)
class Where:
    """What trains: this process, some processes, or a Ray cluster; by which program (None: any).

    `auto`: this process or one a core, as is found to be faster.
    """

    on: On = "auto"
    processes: int | None = None
    program: Program | None = None


def train_ensemble(
    plan: Plan,
    job: Job,
    about: dict[str, Any],
    path: Path,
    where: Where | None = None,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """The store with all members of a plan, trained where they are missing.

    Rows are members in their order. Several processes may fill one store: each takes what nobody
    trains. Members equal those of the plain loop to float tolerance, whatever trains them.

    Args:
        plan: which members.
        job: their data and recipe.
        about: names for readers of the store.
        path: the store's folder.
        where: what trains them.
        on_rows: is called with how many members are complete, and how many there are.

    Raises:
        ClbenchError: the store is of another ensemble, or a member cannot be trained.
    """
    where, wanted = where or Where(), range(len(plan.members))
    store = open_store(path, spec_of(plan, job, about), len(wanted), constants_of(plan, job))
    with claims(store, wanted) as mine:
        missing = len(mine.missing())
        on_rows(len(wanted) - missing, len(wanted))
        if missing:
            members = [plan.members[row] for row in mine.missing()]
            with _pool(job, where, members) as (pool, choice):
                trial = choice.described() | {"processes": pool.workers}
                write_atomic(store.path / TRIAL, json.dumps(trial, indent=2).encode())
                _fill(store, plan, mine, pool, choice, on_rows)
    return store


def spec_of(plan: Plan, job: Job, about: dict[str, Any]) -> Spec:
    """What a store of a plan says of itself."""
    with threads_kept():
        fields = fields_of(Room(job), plan.keep)
    return Spec(identity=plan.identity_with(job.recipe), fields=fields, about=about)


def constants_of(plan: Plan, job: Job) -> dict[str, AnyArray]:
    """Ids that margins are of; masks are of those of the training samples."""
    return {"train": job.train.asked, "test": job.test.asked}


def _fill(
    store: Store,
    plan: Plan,
    mine: Claims,
    pool: Pool,
    choice: Choice,
    on_rows: Callable[[int, int], None],
) -> None:
    size = _task_size(choice, len(mine.missing()), pool.workers)
    while True:
        while pool.busy < pool.workers + AHEAD and (rows := mine.take(size)):
            pool.submit(_task(plan, rows, choice))
        if pool.busy:
            task, found = pool.wait()
            store.write(task.rows, found)
            mine.release(task.rows)
        elif mine.missing():
            time.sleep(POLL_SECONDS)  # others train them, or die and leave them to us
        else:
            return
        on_rows(len(plan.members) - len(mine.missing()), len(plan.members))


def _task(plan: Plan, rows: list[int], choice: Choice) -> Task:
    members = tuple(plan.members[row] for row in rows)
    return Task(tuple(rows), members, choice, plan.keep)


def _task_size(choice: Choice, missing: int, workers: int) -> int:
    """Members a task: a group, or less where workers would be left without any."""
    if choice.program == "loop":
        return max(1, min(8, missing // (workers * TASKS_EACH)))
    return max(1, min(choice.group, -(-missing // workers)))


@contextmanager
def _pool(job: Job, where: Where, members: list[Member]) -> Iterator[tuple[Pool, Choice]]:
    """The workers, and the program that is fastest for them."""
    number = where.processes or os.cpu_count() or 1
    if where.on == "ray":
        with cluster(job) as pool:
            yield pool, pool.choose(members, where.program)
        return
    if where.on == "processes":
        with processes(job, number) as some:
            yield some, some.choose(members, where.program)
        return
    with threads_kept():
        serial = Serial(job)
        if where.on == "serial":
            yield serial, serial.choose(members, where.program)
            return
        number, choice = weigh(serial.room, members, where.program, number)
        if number == 1:
            yield serial, choice
            return
        del serial  # its data: each process holds its own
    with processes(replace(job, threads=1), number) as some:
        yield some, choice


@contextmanager
def threads_kept() -> Iterator[None]:
    """Torch's number of threads, which a worker sets, is put back."""
    before = torch.get_num_threads()
    try:
        yield
    finally:
        torch.set_num_threads(before)
