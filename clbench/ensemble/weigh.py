"""Whether one process trains the members faster, or one a core: by timed steps on one thread."""

import os
from collections.abc import Sequence

import torch

from clbench.ensemble.choose import Choice, Program, choose, steps_of
from clbench.ensemble.job import Room
from clbench.ensemble.members import Member

START_SECONDS = 6.0  # that processes take until they train
CORES = os.cpu_count() or 1


def weigh(
    room: Room, members: Sequence[Member], program: Program | None = None, cores: int = CORES
) -> tuple[int, Choice]:
    """How many processes to train members in, and by which program; 1 is this process.

    Operations on matrices as small as these keep few threads busy: where the whole takes longer
    than processes take to start, the program that is fastest on one thread is timed, too.

    Raises:
        ClbenchError: the program asked for cannot train this backbone.
    """
    total = sum(steps_of(room.recipe, member) for member in members)
    together = choose(room, members, program)
    spread = min(cores, len(members))
    whole = together.seconds * total
    if room.device.type != "cpu" or room.job.threads or spread < 2 or whole < 2 * START_SECONDS:
        return 1, together
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = choose(room, members[: -(-len(members) // spread)], program)
    finally:
        torch.set_num_threads(threads)
    if START_SECONDS + alone.seconds * total / spread < whole:
        return spread, alone
    return 1, together
