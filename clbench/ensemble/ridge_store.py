"""A store of ridge heads on random subsets of frozen features, solved instead of trained."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import one_hot

from clbench.ensemble.closed_form import ridge_heads
from clbench.ensemble.job import Job, vectors
from clbench.ensemble.making import open_store
from clbench.ensemble.members import Member, Plan
from clbench.ensemble.store import AnyArray, Field, Spec, Store
from clbench.ensemble.trak import margin
from clbench.errors import ClbenchError

AT_A_TIME = 64  # heads whose margins are found together


def train_ridge(
    plan: Plan,
    job: Job,
    penalty: float,
    about: dict[str, Any],
    path: Path,
    on_rows: Callable[[int, int], None] = lambda done, total: None,
) -> Store:
    """The store of heads on the subsets of a plan: masks and margins, as of trained members.

    Heads are ridge regressions onto one-hot labels in float64, with a bias that is not penalised.

    Raises:
        ClbenchError: samples are images, or the store is of something else.
    """
    if job.train.x.ndim != 2:
        raise ClbenchError(
            f"ridge heads are solved on vectors, and samples are {job.train.x.shape[1:]}; give "
            "--embed a backbone, whose features become the source"
        )
    identity = {"kind": plan.kind, **plan.identity, "ridge": penalty}
    store = open_store(
        path,
        Spec(identity=identity, fields=_fields(job), about=about),
        len(plan.members),
        {"train": job.train.asked, "test": job.test.asked},
    )
    done = store.completed
    missing = [k for k in range(len(plan.members)) if not done[k]]
    solver = _Solver(job, penalty)
    on_rows(len(plan.members) - len(missing), len(plan.members))
    for start in range(0, len(missing), AT_A_TIME):
        rows = missing[start : start + AT_A_TIME]
        store.write(rows, solver.rows([plan.members[k] for k in rows]))
        on_rows(len(plan.members) - len(missing) + start + len(rows), len(plan.members))
    return store


def _fields(job: Job) -> dict[str, Field]:
    margins = {"train": len(job.train.asked), "test": len(job.test.asked)}
    found = {f"margins.{name}": Field((count,), "float32") for name, count in margins.items()}
    known = {"seed": Field((), "int64"), "seconds": Field((), "float64")}
    return known | found | {"mask": Field((len(job.train.asked),), "bool")}


class _Solver:
    """The features of a job's samples, resident, and the rows that heads on them make."""

    def __init__(self, job: Job, penalty: float) -> None:
        self._job, self._penalty = job, penalty
        self._train, self._y = vectors(job.train, job.device)
        self._test, self._test_y = vectors(job.test, job.device)
        self._targets = one_hot(self._y, job.n_classes).to(self._train)

    def rows(self, members: Sequence[Member]) -> dict[str, AnyArray]:
        start = time.perf_counter()
        masks = np.stack([np.isin(self._job.train.asked, member.ids) for member in members])
        heads = list(ridge_heads(self._train, self._targets, masks, self._penalty))
        weights, biases = (torch.cat(each) for each in zip(*heads, strict=True))
        found = {
            "margins.train": _margins(self._train, self._y, weights, biases),
            "margins.test": _margins(self._test, self._test_y, weights, biases),
        }
        seeds = np.array([member.seed for member in members])
        share = (time.perf_counter() - start) / len(members)
        return {**found, "mask": masks, "seed": seeds, "seconds": np.full(len(members), share)}


def _margins(x: Tensor, y: Tensor, weights: Tensor, biases: Tensor) -> AnyArray:
    """[k, n] margins of heads, a head at a time."""
    pairs = zip(weights, biases, strict=True)
    found = torch.stack([margin(torch.addmm(bias, x, weight.T), y) for weight, bias in pairs])
    array: AnyArray = found.float().cpu().numpy()
    return array
