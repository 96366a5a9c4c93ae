"""Which versions of a stream are attacked, and on which samples."""

from dataclasses import dataclass

import numpy as np

from clbench.errors import ClbenchError
from clbench.source.base import IntArray
from clbench.stream import Stream


@dataclass(frozen=True)
class Targets:
    """The version before the first forget update, the one after the last, and train ids.

    `forgotten` [n] are all that was to be forgotten, `retained` [m] all that was not, whatever the
    protocol grants of them, `asked` those of these that evaluation sets ask; all ascending.
    """

    original: int
    unlearned: int
    forgotten: IntArray
    retained: IntArray
    asked: IntArray

    @classmethod
    def of(cls, stream: Stream) -> "Targets":
        """The targets of a stream.

        Raises:
            ClbenchError: it forgets fewer than 2 samples, learns between forget updates, so that
                there is no one original, or gives task ids at test.
        """
        updates = [update.index for update in stream.updates if update.kind == "forget"]
        ids = [stream.updates[index].samples for index in updates]
        forgotten = np.unique(np.concatenate(ids)) if ids else np.zeros(0, np.int64)
        if len(forgotten) < 2:
            raise ClbenchError(
                f"{stream.name} forgets {len(forgotten)} samples, and --relearn tries to bring "
                "back 2 or more; leave it out, or choose a stream that forgets"
            )
        if updates[-1] - updates[0] != len(updates) - 1:
            raise ClbenchError(
                f"{stream.name} learns between its forget updates, so that no one version is the "
                "original of --relearn; leave it out"
            )
        if stream.protocol.task_ids:
            raise ClbenchError(
                f"{stream.name} gives task ids at test, which --relearn does without; leave it "
                "out, or set task_ids=false"
            )
        unlearned = updates[-1] + 1
        retained = stream.retained(unlearned)
        sets = [e.samples for e in stream.evals if e.split == "train" and e.since <= unlearned]
        asked = np.intersect1d(retained, np.concatenate(sets)) if sets else retained[:0]
        return cls(updates[0], unlearned, forgotten, retained, asked)

    @property
    def parts(self) -> tuple[IntArray, IntArray]:
        """What was forgotten, and what was retained."""
        return self.forgotten, self.retained
