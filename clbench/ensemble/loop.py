"""One member after the other, by the plain loop: the arithmetic that all other programs equal."""

from collections.abc import Iterator

import numpy as np
from torch.nn.functional import cross_entropy

from clbench.ensemble.job import Room
from clbench.ensemble.members import Member
from clbench.model.network import Network
from clbench.protocol import Protocol
from clbench.stream import Update
from clbench.view import View


class PlainLoop:
    """Trains a member as `finetune` trains at its first update: the same operations and draws."""

    def __init__(self, room: Room, member: Member) -> None:
        self.network: Network = room.built(member)
        self._steps = self._trained(room, member)

    def advance(self, steps: int) -> bool:
        """Take so many steps; False once there are no more."""
        return all(next(self._steps, False) for _ in range(steps))

    def finish(self) -> Network:
        """Take all steps that are left; the trained network."""
        for _ in self._steps:
            pass
        return self.network

    def _trained(self, room: Room, member: Member) -> Iterator[bool]:
        view = View(
            Update(member.update, "learn", member.ids, np.arange(room.job.n_classes)),
            room.samples,
            n_classes=room.job.n_classes,
            protocol=Protocol(epochs=room.recipe.epochs),
            seed=member.seed,
        )
        training = room.recipe.training
        step = training.start(self.network)
        for batch in view.batches(training):
            step(cross_entropy(self.network(batch.x), batch.y))
            yield True
