"""What metrics of many models are handed: some models of a set-up beside some oracles.

Every public property of `Sides` is a word of the vocabulary, as those of `clbench.evidence` are for
metrics of one run. Arrays are by evaluation set: `margins["forget"]` is [N, n]. Names without a
prefix are of the version after the last forget update, those with `original_` of the version before
the first, those with `relearned_` of the last version where something was learnt after; those
with `oracle_` are of M models that were retrained without what was to be forgotten.
"""

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from clbench.attacked import AttacksOn
from clbench.by_set import BySet
from clbench.crowd import FORGOTTEN, Crowd, FloatArray, IntArray
from clbench.errors import unknown
from clbench.metric.base import NotMeasured
from clbench.metric.relearnt import Relearning
from clbench.relearnt import RecoveryOf


class Sides:
    """Some models of a crowd beside some oracles.

    Args:
        crowd: the set-up that is measured.
        oracles: those of the same stream and source; None where there are none.
        models: [N] which of the crowd, all by default; with repeats where they are resampled.
        judges: [M] which oracles, all by default.
        most: the most points of a set, drawn once, the same for all sides; None for all.
        untrained: models of the same stream that never learnt; None where there are none.
    """

    def __init__(
        self,
        crowd: Crowd,
        oracles: Crowd | None,
        models: IntArray | None = None,
        judges: IntArray | None = None,
        most: int | None = None,
        untrained: Crowd | None = None,
    ) -> None:
        self._crowd, self._oracles, self._most = crowd, oracles, most
        self._untrained = untrained
        self._models = np.arange(len(crowd)) if models is None else models
        self._judges = np.arange(len(oracles or ())) if judges is None else judges

    @classmethod
    @cache
    def vocabulary(cls) -> tuple[str, ...]:
        """The names that a metric may ask for."""
        words = (k for k, v in vars(cls).items() if isinstance(v, cached_property))
        return tuple(sorted(words))

    def of(self, name: str) -> Any:
        """The evidence called `name`; an unknown name is a ClbenchError."""
        if name not in self.vocabulary():
            raise unknown("evidence of many models", name, self.vocabulary())
        return getattr(self, name)

    # -- points -----------------------------------------------------------------------------

    @cached_property
    def labels(self) -> BySet:
        """{set: [n]} right answers."""
        return BySet(self._rows, lambda rows: self._crowd.labels[rows])

    @cached_property
    def samples(self) -> BySet:
        """{set: [n]} ids in the split of the set."""
        return BySet(self._rows, lambda rows: self._crowd.samples[rows])

    # -- the set-up -------------------------------------------------------------------------

    @cached_property
    def margins(self) -> BySet:
        """{set: [N, n]} margins of the unlearned models."""
        return self._of_crowd(lambda crowd: crowd.unlearned, "margin")

    @cached_property
    def predicted(self) -> BySet:
        """{set: [N, n]} answers of the unlearned models."""
        return self._of_crowd(lambda crowd: crowd.unlearned, "predicted")

    @cached_property
    def logits(self) -> BySet:
        """{set: [N, n, C]} all logits of the unlearned models, where they are recorded."""
        return self._of_crowd(lambda crowd: crowd.unlearned, "logits")

    @cached_property
    def embeddings(self) -> tuple[FloatArray, ...]:
        """[N] of [n, d]: test samples of the probe as the unlearned models embed them."""
        return self._crowd.embedded(self._crowd.unlearned, self._models)

    @cached_property
    def embedded_labels(self) -> IntArray:
        """[n] labels of the probe."""
        return self._crowd.labels[self._crowd.probe()]

    @cached_property
    def embedded_forgotten(self) -> npt.NDArray[np.bool_]:
        """[n] whether a sample of the probe is a test sample of forgotten classes."""
        forgotten = self._crowd.samples[self._crowd.rows(FORGOTTEN)]
        return np.isin(self._crowd.samples[self._crowd.probe()], forgotten)

    @cached_property
    def original_embeddings(self) -> tuple[FloatArray, ...]:
        """[N] of [n, d]: the same samples as embedded before the models were to forget."""
        return self._crowd.embedded(self._crowd.original, self._models)

    @cached_property
    def untrained_logits(self) -> BySet:
        """{set: [U, n, C]} all logits of models that never learnt.

        Raises:
            NotMeasured: there are none, or their logits were not recorded.
        """
        if self._untrained is None:
            raise NotMeasured("no finished run of random_init on this stream")
        crowd = self._untrained
        every = np.arange(len(crowd))
        return BySet(self._rows, lambda rows: crowd.column(crowd.unlearned, "logits", rows, every))

    @cached_property
    def attacks(self) -> AttacksOn:
        """{attack: [N]} how far attacks of `metric.attack_each` get on each unlearned model."""
        return AttacksOn(self._crowd, self._models)

    @cached_property
    def relearning(self) -> Relearning:
        """Accuracies [N, T] as the unlearned models learn again what they forgot."""
        return self._crowd.relearn_attacks.relearning(self._models)

    @cached_property
    def recovery(self) -> RecoveryOf:
        """{attack: [N, 2]} forget accuracy before and after attacks with few samples."""
        return self._crowd.relearn_attacks.recovery(self._models)

    @cached_property
    def neighbours(self) -> tuple[IntArray, ...]:
        """[N] of the ids of retained samples nearest to what was to be forgotten."""
        return self._crowd.relearn_attacks.neighbours(self._models)

    @cached_property
    def original_margins(self) -> BySet:
        """{set: [N, n]} margins of the models before they were to forget."""
        return self._of_crowd(lambda crowd: crowd.original, "margin")

    @cached_property
    def original_predicted(self) -> BySet:
        """{set: [N, n]} answers of the models before they were to forget."""
        return self._of_crowd(lambda crowd: crowd.original, "predicted")

    @cached_property
    def relearned_margins(self) -> BySet:
        """{set: [N, n]} margins of the models after they learnt again."""
        return self._of_crowd(lambda crowd: crowd.relearned, "margin")

    @cached_property
    def relearned_predicted(self) -> BySet:
        """{set: [N, n]} answers of the models after they learnt again."""
        return self._of_crowd(lambda crowd: crowd.relearned, "predicted")

    @cached_property
    def forget_flops(self) -> FloatArray:
        """[N] FLOPs of all forget updates."""
        return self._crowd.forgetting_cost("flops")[self._models]

    @cached_property
    def forget_seconds(self) -> FloatArray:
        """[N] seconds of all forget updates, on the machine of the run."""
        return self._crowd.forgetting_cost("seconds")[self._models]

    # -- the oracles ------------------------------------------------------------------------

    @cached_property
    def oracle_margins(self) -> BySet:
        """{set: [M, n]} margins of the oracles."""
        return self._of_oracles("margin")

    @cached_property
    def oracle_predicted(self) -> BySet:
        """{set: [M, n]} answers of the oracles."""
        return self._of_oracles("predicted")

    @cached_property
    def oracle_logits(self) -> BySet:
        """{set: [M, n, C]} all logits of the oracles, where they are recorded."""
        return self._of_oracles("logits")

    @cached_property
    def oracle_embeddings(self) -> tuple[FloatArray, ...]:
        """[M] of [n, d]: the same samples as the oracles embed them.

        Raises:
            ClbenchError: the oracles embed other samples than the models.
        """
        self._crowd.check_same_probe(self._judge)
        return self._judge.embedded(self._judge.unlearned, self._judges)

    @cached_property
    def oracle_attacks(self) -> AttacksOn:
        """{attack: [M]} how far the same attacks get on each oracle."""
        return AttacksOn(self._judge, self._judges)

    @cached_property
    def oracle_relearning(self) -> Relearning:
        """Accuracies [M, T] as the oracles learn what they never knew."""
        return self._judge.relearn_attacks.relearning(self._judges)

    @cached_property
    def oracle_forget_flops(self) -> FloatArray:
        """[M] FLOPs of retraining."""
        return self._judge.forgetting_cost("flops")[self._judges]

    @cached_property
    def oracle_forget_seconds(self) -> FloatArray:
        """[M] seconds of retraining."""
        return self._judge.forgetting_cost("seconds")[self._judges]

    # ---------------------------------------------------------------------------------------

    @property
    def _judge(self) -> Crowd:
        if self._oracles is None or not len(self._judges):
            raise NotMeasured("no finished run of retrain on this stream")
        return self._oracles

    def _rows(self, name: str) -> IntArray:
        return self._crowd.rows(name, self._most)

    def _of_crowd(self, version: Callable[[Crowd], int], name: str) -> BySet:
        crowd, models = self._crowd, self._models
        return BySet(self._rows, lambda rows: crowd.column(version(crowd), name, rows, models))

    def _of_oracles(self, name: str) -> BySet:
        crowd, models = self._judge, self._judges
        return BySet(self._rows, lambda rows: crowd.column(crowd.unlearned, name, rows, models))
