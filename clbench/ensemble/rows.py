"""From trained members to rows of a store: weights, margins, and what training cost."""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.func import functional_call

from clbench.augment import to_input
from clbench.ensemble.choose import Choice
from clbench.ensemble.job import Part, Room
from clbench.ensemble.loop import PlainLoop
from clbench.ensemble.members import Member
from clbench.ensemble.store import AnyArray, Field
from clbench.ensemble.together import Together
from clbench.ensemble.trak import margin
from clbench.errors import ClbenchError
from clbench.model.network import Network
from clbench.samples import Samples
from clbench.serving import sizes

BATCH = 512
WEIGHTS = "weights."
Rows = dict[str, AnyArray]  # [members, ...] each
Keep = Literal["weights", "mask"]  # of a trained model, or which of the asked samples it had


def fields_of(room: Room, keep: Keep) -> dict[str, Field]:
    """What a row holds: seed, update, costs, margins of the samples asked for, and what is kept."""
    with torch.random.fork_rng(devices=[]):
        network = room.built(Member(0, np.zeros(0, np.int64)))
    whole = ("seed", "update", "flops", "steps", "samples")
    found = {name: Field((), "int64") for name in whole} | {"seconds": Field((), "float64")}
    for name, part in (("train", room.job.train), ("test", room.job.test)):
        found[f"margins.{name}"] = Field((len(part.asked),), "float32")
    if keep == "mask":
        return found | {"mask": Field((len(room.job.train.asked),), "bool")}
    for name, tensor in network.state_dict().items():
        dtype = str(tensor.dtype).removeprefix("torch.")
        found[WEIGHTS + name] = Field(tuple(tensor.shape), dtype)
    return found


def trained(
    room: Room, members: Sequence[Member], choice: Choice
) -> Iterator[Mapping[str, Tensor]]:
    """The weights of members after training, in their order, by the chosen program."""
    if choice.program == "loop":
        for member in members:
            with torch.random.fork_rng(devices=[]):
                yield PlainLoop(room, member).finish().state_dict()
        return
    for start in range(0, len(members), choice.group):
        some = members[start : start + choice.group]
        stacked = Together(room, some, choice.program).finish()
        for k in range(len(some)):
            yield {name: whole[k] for name, whole in stacked.items()}


class Answering:
    """Margins of trained weights on the samples that the job asks for."""

    def __init__(self, room: Room) -> None:
        with torch.random.fork_rng(devices=[]):
            self._network: Network = room.built(Member(0, np.zeros(0, np.int64))).eval()
        self._parts: dict[str, tuple[Samples, Part]] = {
            "train": (room.samples, room.job.train),
            "test": (Samples(room.job.test.x, room.job.test.y, room.device), room.job.test),
        }

    @torch.no_grad()
    def margins(self, weights: Mapping[str, Tensor]) -> dict[str, AnyArray]:
        """[n] of each part: f_y - log sum of exp f_k over the others, in float32."""
        return {
            f"margins.{name}": self._of(samples, part, weights)
            for name, (samples, part) in self._parts.items()
        }

    def _of(self, samples: Samples, part: Part, weights: Mapping[str, Tensor]) -> AnyArray:
        found = [torch.zeros(0)]
        for ids in torch.tensor(part.asked).to(samples.device).split(BATCH):
            x = to_input(samples.gather(ids))
            logits = functional_call(self._network, dict(weights), (x,))
            found.append(margin(logits, samples.y[ids]).cpu())
        array: AnyArray = torch.cat(found).numpy()
        return array


def rows_of(
    room: Room, answering: Answering, members: Sequence[Member], choice: Choice, keep: Keep
) -> Rows:
    """Train members and describe them, a row a member.

    Raises:
        ClbenchError: the training of one diverged.
    """
    rows, start = [], time.perf_counter()
    for member, state in zip(members, trained(room, members, choice), strict=True):
        row = answering.margins(state) | _costs(room, member)
        if keep == "mask":
            row["mask"] = np.isin(room.job.train.asked, member.ids)
        else:
            row |= {WEIGHTS + name: tensor.cpu().numpy() for name, tensor in state.items()}
        _check_finite(row, member)
        rows.append(row)
    share = np.array((time.perf_counter() - start) / len(members))
    rows = [row | {"seconds": share} for row in rows]
    return {name: np.stack([row[name] for row in rows]) for name in rows[0]}


def _costs(room: Room, member: Member) -> dict[str, AnyArray]:
    epochs = room.recipe.epochs
    seen = epochs * len(member.ids)
    steps = epochs * len(sizes(len(member.ids), room.recipe.training.batch_size))
    flops = round(seen * room.flops_per_sample)
    costs = {"flops": flops, "steps": steps, "samples": seen}
    known = {"seed": member.seed, "update": member.update, **costs}
    return {name: np.array(value, np.int64) for name, value in known.items()}


def _check_finite(row: Mapping[str, AnyArray], member: Member) -> None:
    for name, array in row.items():
        if not np.isfinite(array).all():
            raise ClbenchError(
                f"the member of seed {member.seed} diverged: its {name} are not finite; lower the "
                "learning rate"
            )
