"""Experience replay as Avalanche plays it, to show that two habits are all that differs from `er`.

The memory is filled when an update ends, and the last, smaller batch of an epoch is joined with
as many remembered samples as a full one.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch.nn.functional import cross_entropy

from clbench.method import Batch, Card, View
from clbench_methods.er import ER

AFTER = f"{Path(__file__)}:ERAfter"


class ERAfter(ER):
    """No sample of the update in flight is replayed."""

    card = Card(name="er-after", paper="1902.10486", family="replay", stores="samples")

    def learn(self, view: View) -> None:
        """Minimise cross-entropy on new and remembered samples, then fill the memory."""
        self.model.grow(view.n_classes)
        step = self.training.start(self.model)
        for batch in view.batches(self.training):
            past_x, past_y = self.memory.sample(self._full(batch), view.generator)
            logits = self.model(torch.cat([batch.x, past_x]))
            step(cross_entropy(logits, torch.cat([batch.y, past_y])))
        for batch in view.chunks():
            self.memory.add(batch, view.generator)

    def _full(self, batch: Batch) -> Batch:
        """A batch that counts as a full one."""
        return replace(batch, y=batch.y.new_zeros(self.training.batch_size))
