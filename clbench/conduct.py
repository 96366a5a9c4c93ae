"""What a method does on the small stream, to be held against what its card says."""

import torch

from clbench import state
from clbench.card import Stores
from clbench.hoard import stored_labels, stored_samples
from clbench.subject import Subject, played, small_stream
from clbench.view import SecondPassError


def keeps(subject: Subject) -> tuple[int, Stores]:
    """How many `samples` of the past or, if none, `labels` of them it carries after two updates."""
    with subject.run() as run:
        ids = torch.from_numpy(run.stream.retained(2))
        samples, carried = run.samples["train"], state.pack(played(run, 2).state())
        tree = state.unpack(carried, run.device)
        if count := stored_samples(tree, samples.gather(ids)):
            return count, "samples"
        return stored_labels(tree, samples.y[ids]), "labels"


def asks_again(subject: Subject) -> bool:
    """Whether it asks for the samples of an update more than once where they come once."""
    with subject.run(stream=small_stream(subject.card, online=True), fits=False) as run:
        try:
            played(run, 2)
        except SecondPassError:
            return True
    return False
