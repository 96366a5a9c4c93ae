"""How far attacks get on each model of a crowd: worked out once a model, then looked up.

Attacks on single models are averages over a crowd, whatever models are drawn from it. So nothing is
fitted anew for resampled models or another split of the oracles.
"""

from collections.abc import Iterator, Mapping
from functools import partial

import numpy as np

from clbench.by_set import BySet
from clbench.crowd import Crowd, FloatArray, IntArray
from clbench.errors import unknown
from clbench.metric.attack_each import ATTACKS, Attacked


class AttacksOn(Mapping[str, FloatArray]):
    """{attack: [N]} of `metric.attack_each` on models of a crowd, after it was to forget.

    Raises:
        NotMeasured: an attack looks at what was not recorded, or at samples that are not there.
        ClbenchError: there is no attack of a name.
    """

    def __init__(self, crowd: Crowd, models: IntArray) -> None:
        self._crowd, self._models = crowd, models

    def __getitem__(self, name: str) -> FloatArray:
        if name not in ATTACKS:
            raise unknown("attack", name, ATTACKS)
        return self._crowd.of_each(f"attack {name}", lambda i: self._on(name, i))[self._models]

    def __iter__(self) -> Iterator[str]:
        return iter(ATTACKS)

    def __len__(self) -> int:
        return len(ATTACKS)

    def _on(self, name: str, model: int) -> float:
        crowd, one = self._crowd, np.array([model])

        def of_model(column: str) -> BySet:
            answers = partial(crowd.column, crowd.unlearned, column, models=one)
            return BySet(crowd.rows, lambda rows: answers(rows=rows)[0])

        labels = BySet(crowd.rows, lambda rows: crowd.labels[rows])
        return ATTACKS[name](Attacked(of_model("margin"), of_model("logits"), labels))
