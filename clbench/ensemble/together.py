"""Members trained together, in step, each on its own batches."""

from collections.abc import Sequence

import torch
from torch import Tensor

from clbench.augment import changed, to_input
from clbench.ensemble.job import Room
from clbench.ensemble.members import Member
from clbench.ensemble.programs import Program, stepper
from clbench.ensemble.shuffles import Shuffles
from clbench.ensemble.stack import Stack, Weights

WINDOW = 64  # steps whose batches are laid out at a time


class Together:
    """Trains members as one stack.

    Members may take different numbers of steps: they are ordered by them, longest first, and those
    that are done leave the stack. In a step, smaller batches are padded with samples of weight 0.
    """

    def __init__(self, room: Room, members: Sequence[Member], program: Program) -> None:
        with torch.random.fork_rng(devices=[]):
            networks = [room.built(member) for member in members]
        shuffles = [Shuffles(member, room.recipe, room.space.shape) for member in members]
        self._order = sorted(range(len(members)), key=lambda k: -shuffles[k].steps)
        self._shuffles = [shuffles[k] for k in self._order]
        self._width = max(each.width for each in shuffles)
        self._room, self._done = room, 0
        self._stack = Stack([networks[k] for k in self._order], room.recipe.training)
        self._stepper = stepper(program, networks[0], self._stack, room.recipe.training)

    @property
    def steps(self) -> int:
        """How many the longest takes."""
        return self._shuffles[0].steps

    def advance(self, steps: int) -> bool:
        """Take so many steps, or as many as are left; False if there were fewer."""
        end = min(self._done + steps, self.steps)
        enough = end == self._done + steps
        while self._done < end:
            active = [each for each in self._shuffles if each.steps > self._done]
            self._stack.keep(len(active))
            count = min(end, active[-1].steps, self._done + WINDOW) - self._done
            self._advance(active, count)
            self._done += count
        return enough

    def finish(self) -> Weights:
        """Take all steps that are left; the trained weights [K, ...], in the members' order."""
        self.advance(self.steps - self._done)
        back = torch.tensor(self._order).argsort().to(self._room.device)
        return {name: whole[back] for name, whole in self._stack.whole.items()}

    def _advance(self, active: Sequence[Shuffles], count: int) -> None:
        tables = torch.stack([each.take(count, self._width) for each in active], dim=1)
        sizes = (tables[:, :, 0] >= 0).sum(2)  # [count, K]
        widths = sizes.amax(1).tolist()
        tables, shares = tables.to(self._room.device), (1 / sizes).to(self._room.device)
        for table, share, width in zip(tables, shares, widths, strict=True):
            self._stepper.step(*self._served(table[..., :width], share))

    def _served(self, table: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Inputs [K, B, ...], labels and weights [K, B] of a step's table [K, 1 or 4, B]."""
        ids, samples = table[:, 0].clamp(min=0), self._room.samples
        raw = samples.gather(ids.flatten())
        if table.shape[1] > 1:
            drawn = table[:, 1:].clamp(min=0).transpose(0, 1).flatten(1)
            raw = changed(raw, self._room.recipe.training.augment, drawn)
        real = table[:, 0] >= 0
        return to_input(raw).unflatten(0, ids.shape), samples.y[ids] * real, share[:, None] * real
