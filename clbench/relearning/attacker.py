"""Attacks on a run's versions, for its ledger; the run itself goes on as if there were none.

What is attacked is a method made anew from what a version carries. Samples and random numbers
depend on the run's seed and the attack alone, so methods of one seed are attacked alike, oracles
too.
"""

from collections.abc import Callable, Mapping

import numpy as np
import torch
from pydantic import BaseModel

from clbench.errors import ClbenchError
from clbench.method import Method
from clbench.relearnfile import ORIGINAL, RECIPE, RELEARNT, Original, Relearnt
from clbench.relearning.drawing import drawn, shares, shots
from clbench.relearning.embedded import SHOTS, nearest
from clbench.relearning.labelled import Labelled
from clbench.relearning.targets import Targets
from clbench.relearning.training import SHARE, judged
from clbench.relearning.trials import Hand, Trials, embedded
from clbench.samples import Samples
from clbench.seeds import derive
from clbench.stream import Stream

Files = dict[str, bytes]


def check_relearn(stream: Stream, kind: type[Method]) -> None:
    """Refuse attacks where there is nothing to attack, or no copy to attack.

    Raises:
        ClbenchError: the stream has no targets (see `Targets.of`), or the method cannot be made
            anew from its state.
    """
    Targets.of(stream)
    if not kind.remade:
        raise ClbenchError(
            f"{kind.card.name} cannot be made anew from its state, and --relearn attacks such a "
            "copy; leave it out"
        )


class Attacker:
    """Attacks the two versions of a run that `Targets` names.

    Args:
        stream: what is played.
        samples: of the train split, with labels of the stream.
        seed: of the run.
        remade: a new method from the files that a version carries.
    """

    def __init__(
        self,
        stream: Stream,
        samples: Samples,
        seed: int,
        remade: Callable[[Files], Method],
    ) -> None:
        self._targets, self._samples, self._seed = Targets.of(stream), samples, seed
        self._remade = remade
        self._width = stream.n_classes(self._targets.unlearned)
        self._forgotten = Labelled.of(samples, self._targets.forgotten)

    def files(self, carried: Mapping[str, bytes], version: int) -> Files:
        """What is recorded of a version that carries these bytes; nothing of most."""
        targets, device = self._targets, self._samples.device
        if version not in (targets.original, targets.unlearned):
            return {}
        with torch.random.fork_rng([device] if device.type == "cuda" else []):
            method = self._remade(dict(carried))
            if version == targets.original:
                return {ORIGINAL: _json(self._original(method))}
            return {RELEARNT: _json(self._relearnt(method))}

    def _original(self, method: Method) -> Original:
        correct, loss = judged(self._forgotten.asked(method.predict), self._forgotten.y)
        near = ids = self._targets.asked
        if len(ids):
            kept = embedded(method, Labelled.of(self._samples, ids))
            near = ids[nearest(kept, embedded(method, self._forgotten)).numpy()]
        return Original(
            recipe=RECIPE,
            forgotten=len(self._forgotten),
            correct=correct,
            loss=loss,
            neighbours=tuple(near.tolist()),
        )

    def _relearnt(self, method: Method) -> Relearnt:
        few, shot = self._hand(shares(SHARE), "recover"), self._hand(shots(SHOTS), "prototypes")
        trials = Trials(method, self._forgotten, self._width, self._seed)
        return Relearnt(
            recipe=RECIPE,
            forgotten=len(self._forgotten),
            relearning=trials.relearning(),
            head=trials.head(few),
            full=trials.full(few),
            prototypes=trials.prototypes(shot),
        )

    def _hand(self, many: Callable[[int], int], purpose: str) -> Hand:
        """What an attacker has of all that was learnt, and the rest of what was forgotten."""
        y, (gone, kept) = self._samples.y.cpu().numpy(), self._targets.parts
        has = [
            drawn(ids, y[ids], many, derive(self._seed, "relearn", purpose, name))
            for name, ids in (("forgotten", gone), ("retained", kept))
        ]
        rest = np.setdiff1d(gone, has[0])
        return Hand(*(Labelled.of(self._samples, ids) for ids in (np.concatenate(has), rest)))


def _json(record: BaseModel) -> bytes:
    return record.model_dump_json().encode()
