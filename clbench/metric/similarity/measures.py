"""All measures by name, each with its range and with what it does not see.

What is declared here is checked by property tests, both ways: a measure does not change under the
maps that it names, and does under the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import pi
from typing import Literal

from clbench.errors import unknown
from clbench.metric.base import Direction
from clbench.metric.similarity.canonical import pwcca, svcca
from clbench.metric.similarity.cka import linear_cka
from clbench.metric.similarity.distances import distance_correlation, rsa
from clbench.metric.similarity.neighbours import K, knn_jaccard, mutual_knn
from clbench.metric.similarity.pairs import Similarity
from clbench.metric.similarity.procrustes import procrustes_angle, procrustes_distance

Map = Literal["rotation", "scaling", "translation", "linear"]
SHAPE: tuple[Map, ...] = ("rotation", "scaling", "translation")


@dataclass(frozen=True)
class Measure:
    """A similarity or distance of two sets of embeddings of the same samples.

    `blind_to`: maps of either side that it does not see. `k`: the neighbours that it looks at.
    `most`: the most samples that it takes, chosen by a hash of their ids. `legacy`: it is kept to
    compare with older papers.
    """

    name: str
    function: Similarity
    direction: Direction
    range: tuple[float, float]
    blind_to: tuple[Map, ...] = SHAPE
    k: int | None = None
    most: int | None = None
    legacy: bool = False

    def label(self, n: int) -> str:
        """The name with what the number depends on: samples, and neighbours where they count."""
        return f"{self.name}({f'k={self.k}, ' if self.k else ''}n={n})"


_ALL = (
    Measure("linear_cka", linear_cka, "higher", (-1, 1)),
    Measure("procrustes_distance", procrustes_distance, "lower", (0, 2)),
    Measure("procrustes_angle", procrustes_angle, "lower", (0, pi / 2)),
    Measure("knn_jaccard", knn_jaccard, "higher", (0, 1), ("rotation", "scaling"), K),
    Measure("mutual_knn", mutual_knn, "higher", (0, 1), ("rotation", "scaling"), K),
    Measure("distance_correlation", distance_correlation, "higher", (-1, 1)),
    Measure("rsa", rsa, "higher", (-1, 1), most=2000),
    Measure("svcca", svcca, "higher", (0, 1), legacy=True),
    Measure("pwcca", pwcca, "higher", (0, 1), ("scaling", "translation"), legacy=True),
)
MEASURES = {each.name: each for each in _ALL}


def chosen(names: Sequence[str] | None = None) -> list[Measure]:
    """The measures of these names; by default all but those of older papers.

    Raises:
        ClbenchError: a name is unknown; the nearest is suggested.
    """
    if names is None:
        return [each for each in _ALL if not each.legacy]
    for name in names:
        if name not in MEASURES:
            raise unknown("similarity", name, MEASURES)
    return [MEASURES[name] for name in names]
