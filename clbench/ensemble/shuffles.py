"""The batches of one member, in the order in which its view would serve them, as tables of ids."""

from functools import lru_cache

import torch
from torch import Generator, Tensor

from clbench.augment import augments, draw
from clbench.ensemble.members import Member
from clbench.ensemble.recipe import Recipe
from clbench.seeds import derive
from clbench.serving import sizes

PADDING = -1


class Shuffles:
    """Batches of a member, step after step.

    The random numbers are those of `View.batches`, drawn in the same order: a permutation a pass,
    and what augmentation draws for each batch.

    Attributes:
        steps: how many batches there are.
        width: samples of the largest.
    """

    def __init__(self, member: Member, recipe: Recipe, shape: tuple[int, ...]) -> None:
        self._ids = torch.tensor(member.ids)
        self._generator = Generator().manual_seed(derive(member.seed, "view", member.update))
        self._how = recipe.training.augment
        self._augments = augments(self._how, shape)
        self._sizes = sizes(len(self._ids), recipe.training.batch_size)
        self._places = _places(len(self._ids), recipe.training.batch_size)
        self._ahead = torch.zeros(0, *self._pass_shape, dtype=torch.int64)
        self.steps = recipe.epochs * len(self._sizes)
        self.width = max(self._sizes, default=0)

    def take(self, count: int, width: int) -> Tensor:
        """The next batches [count, 1 or 4, width]: ids, then what augmentation drew; else -1."""
        while len(self._ahead) < count:
            self._ahead = torch.cat([self._ahead, self._pass()])
        now, self._ahead = self._ahead.tensor_split([count])
        return torch.nn.functional.pad(now, (0, width - now.shape[-1]), value=PADDING)

    @property
    def _pass_shape(self) -> tuple[int, int]:
        return 4 if self._augments else 1, self._places.shape[1]

    def _pass(self) -> Tensor:
        rows = [self._ids[torch.randperm(len(self._ids), generator=self._generator)][None]]
        if self._augments:
            drawn = [draw(self._how, size, self._generator) for size in self._sizes]
            rows.append(torch.cat(drawn, dim=1))
        table = torch.cat(rows)[:, self._places.clamp(min=0)]
        return torch.where(self._places >= 0, table, PADDING).transpose(0, 1)


@lru_cache(maxsize=64)  # members of a size share it
def _places(total: int, size: int) -> Tensor:
    """[batches, largest] places in a permutation, -1 where a batch is smaller."""
    parts = sizes(total, size)
    places = torch.full((len(parts), max(parts, default=0)), PADDING)
    for batch, some in zip(places, torch.arange(total).split(parts) if parts else (), strict=True):
        batch[: len(some)] = some
    return places
