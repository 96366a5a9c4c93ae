"""The answers of a crowd that are in memory: what something else trained."""

from collections.abc import Mapping, Sequence

from clbench.crowd import Array, FloatArray, IntArray
from clbench.errors import ClbenchError, listing
from clbench.metric.base import NotMeasured
from clbench.relearnt import Attacks


class ArrayAnswers:
    """Answers that are in memory, or in memory-mapped files.

    Args:
        samples: [n] ids, set after set.
        labels: [n] right answers.
        columns: [N, n, ...] by version and name, as in `{2: {"margin": ...}}`.
        costs: [N, V] by name, `flops` or `seconds`.
        attacks: what relearning attacks recorded.
        embeddings: by version, [N] of [n, d] of a probe and its test ids [n].

    Raises:
        ClbenchError: a column is not about these points or has other models than the rest.
    """

    def __init__(
        self,
        samples: IntArray,
        labels: IntArray,
        columns: Mapping[int, Mapping[str, Array]],
        costs: Mapping[str, FloatArray] | None = None,
        attacks: Attacks | None = None,
        embeddings: Mapping[int, tuple[Sequence[FloatArray], IntArray]] | None = None,
    ) -> None:
        self._attacks, self._embeddings = attacks, embeddings or {}
        self._questions, self._columns, self._costs = (samples, labels), columns, costs or {}
        shapes = {
            f"{name} of version {version}": array.shape[:2]
            for version, each in columns.items()
            for name, array in each.items()
        }
        wrong = [what for what, shape in shapes.items() if shape[1] > len(labels)]
        if wrong or len(labels) != len(samples) or len({n for n, _ in shapes.values()}) > 1:
            found = listing(f"{what} {shape}" for what, shape in shapes.items())
            raise ClbenchError(
                f"columns are [models, points] for {len(labels)} labels and {len(samples)} "
                f"samples, of the same models; got {found}"
            )

    def questions(self) -> tuple[IntArray, IntArray]:
        """Ids and labels [n]."""
        return self._questions

    def column(self, version: int, name: str) -> Array:
        """[N, n, ...] of a column."""
        try:
            return self._columns[version][name]
        except KeyError:
            raise NotMeasured(f"{name} of version {version} was not recorded") from None

    def spent(self, name: str) -> FloatArray:
        """[N, V] of a cost."""
        if name not in self._costs:
            raise NotMeasured(f"{name} of the updates were not recorded")
        return self._costs[name]

    def embedded(self, version: int) -> tuple[Sequence[FloatArray], IntArray]:
        """[N] of embeddings [n, d] of a probe and its test ids [n]."""
        if version not in self._embeddings:
            raise NotMeasured(f"version {version} holds no embeddings")
        return self._embeddings[version]

    def relearn_attacks(self, original: int, unlearned: int) -> Attacks:
        """What was given, whatever the versions are."""
        if self._attacks is None:
            raise NotMeasured("relearning attacks were not recorded")
        return self._attacks
