"""What changed inside, layer by layer: between two recorded versions, or over the life of a run."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from clbench.errors import ClbenchError
from clbench.inside import Inside, last_version, representations
from clbench.ledger import Ledger
from clbench.metric.base import NotMeasured
from clbench.metric.readout import centre_accuracy, knn_accuracy, ridge_accuracy
from clbench.metric.similarity.measures import Measure
from clbench.metric.similarity.null import Compared, compared
from clbench.metric.similarity.pairs import Embedded, Floats, IntArray, check_same_samples

Readout = Callable[[Floats, IntArray], float]
READOUTS: dict[str, Readout] = {
    "linear probe": ridge_accuracy,
    "10-NN": knn_accuracy,
    "class means": centre_accuracy,
}


@dataclass(frozen=True)
class LayerChange:
    """How alike two versions are in a layer, and what simple readouts find there before and after.

    What is a text has no value, and says why.
    """

    layer: str
    similarities: dict[str, Compared | str]
    readouts: dict[str, tuple[float | str, float | str]]


def changes(
    first: Inside, second: Inside, measures: Sequence[Measure]
) -> tuple[list[LayerChange], list[str]]:
    """How alike two versions are in each layer that both recorded; and the layers that one did not.

    Raises:
        ClbenchError: they embed other samples, or in another order.
    """
    if first.source != second.source:
        raise ClbenchError(
            f"{first.where} and {second.where} are of other sources ({first.source[:12]} and "
            f"{second.source[:12]}); representations are compared on the same samples"
        )
    shared = [name for name in first.layers if name in second.layers]
    found = []
    for name in shared:
        pair = first.layers[name], second.layers[name]
        check_same_samples(*pair)
        similarities = {each.name: _compared(each, *pair) for each in measures}
        readouts = {
            what: (_read(accuracy, pair[0], first.labels), _read(accuracy, pair[1], second.labels))
            for what, accuracy in READOUTS.items()
        }
        found.append(LayerChange(name, similarities, readouts))
    return found, sorted({*first.layers, *second.layers} - {*shared})


def drift_map(ledger: Ledger, measure: Measure) -> dict[str, list[Compared | str]]:
    """For each layer how alike each version is to the last one: layers x versions.

    Raises:
        ClbenchError: the run is not finished, or a file is broken.
    """
    sides = [representations(ledger, version) for version in range(last_version(ledger) + 1)]
    last = sides[-1]
    return {name: [_compared(measure, side[name], last[name]) for side in sides] for name in last}


def _compared(measure: Measure, first: Embedded, second: Embedded) -> Compared | str:
    try:
        return compared(measure, first, second)
    except NotMeasured as reason:
        return str(reason)


def _read(accuracy: Readout, embedded: Embedded, labels: IntArray) -> float | str:
    try:
        return accuracy(embedded.values, labels)
    except NotMeasured as reason:
        return str(reason)
