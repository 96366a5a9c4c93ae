"""What training needs beside the members: data resident once, the recipe, the starting weights."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from clbench.augment import to_input
from clbench.cost import FlopMeter
from clbench.ensemble.members import Member, Plan
from clbench.ensemble.recipe import Recipe
from clbench.model.network import Network, Space
from clbench.model.seeding import seed_torch
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.source.base import AnyArray, IntArray, Source
from clbench.stream import Stream


@dataclass(frozen=True)
class Part:
    """Samples of a split [N, ...], their labels in the stream [N], and ids [n] to answer for."""

    x: AnyArray
    y: IntArray
    asked: IntArray


@dataclass(frozen=True)
class Job:
    """All that is the same for every member; it can be sent to another process."""

    recipe: Recipe
    n_classes: int
    train: Part
    test: Part
    device: str = "cpu"
    threads: int | None = None  # of each worker; None: as many as torch takes by itself


def job_of(
    plan: Plan,
    stream: Stream,
    source: Source,
    recipe: Recipe,
    device: str = "cpu",
    threads: int | None = None,
) -> Job:
    """The job of a plan: margins are asked for its pool, and for test samples of known classes."""
    mapping = stream.label_map(len(source.classes))
    train, test = mapping[source.train.y], mapping[source.test.y]
    known = ((test >= 0) & (test < plan.n_classes)).nonzero()[0]
    return Job(
        recipe,
        plan.n_classes,
        Part(source.train.x, train, plan.pool),
        Part(source.test.x, test, known),
        device,
        threads,
    )


def about(stream: Stream, source: Source) -> dict[str, Any]:
    """Names of what a store is of, for its readers."""
    return {"stream": stream.name, "source": str(source.spec)}


def vectors(part: Part, device: str) -> tuple[Tensor, Tensor]:
    """The samples that a part asks for, as networks take them, flat [n, d] and in double precision.

    And their labels [n].
    """
    x = to_input(torch.from_numpy(part.x[part.asked])).double().flatten(1)
    return x.to(device), torch.from_numpy(part.y[part.asked]).to(device)


class Room:
    """Where members are trained: the job's data on its device."""

    def __init__(self, job: Job) -> None:
        self.job, self.recipe = job, job.recipe
        self.device = torch.device(job.device)
        self.samples = Samples(job.train.x, job.train.y, self.device)
        self.space = Space(self.samples.shape, self.device, job.recipe.precision)

    def built(self, member: Member) -> Network:
        """The network that a member starts from; torch's generators are left seeded as in a run."""
        seed_torch(derive(member.seed, "build"), self.device)
        network = Network(self.recipe.backbone, self.space)
        seed_torch(derive(member.seed, "update", member.update + 1), self.device)
        network.grow(self.job.n_classes)
        return network

    @cached_property
    def flops_per_sample(self) -> float:
        """Of a training step, by torch's formulas."""
        count = min(self.recipe.training.batch_size, len(self.samples))
        ids = torch.arange(count, device=self.device)
        x = to_input(self.samples.gather(ids))
        with torch.random.fork_rng(devices=[]):
            network = self.built(Member(0, ids.cpu().numpy()))
            step = self.recipe.training.start(network)
            with FlopMeter() as meter:
                step(cross_entropy(network(x), self.samples.y[ids].clamp(min=0)))
        return meter.total / count
