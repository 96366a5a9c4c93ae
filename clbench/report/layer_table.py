"""What changed inside, as tables for a terminal: two versions, or a run layer by layer."""

from collections.abc import Mapping, Sequence

from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clbench.inside import Inside
from clbench.layers import LayerChange
from clbench.metric.similarity.measures import Measure
from clbench.metric.similarity.null import Compared
from clbench.report.cells import Footnotes, plain

ARROWS = {"higher": "higher is more alike", "lower": "lower is more alike", "neither": ""}


def change_table(
    first: Inside,
    second: Inside,
    found: Sequence[LayerChange],
    left_out: Sequence[str],
    measures: Sequence[Measure],
) -> RenderableType:
    """How alike two versions are in each layer, and what readouts find there before and after."""
    labels = {each.name: each.label(len(first.labels)) for each in measures}
    for change in found:
        labels |= {k: v.label for k, v in change.similarities.items() if isinstance(v, Compared)}
    layers = [plain(change.layer) for change in found]
    notes = Footnotes()
    similar = _table("similarity", *layers)
    for measure in measures:
        cells = (_similarity(change.similarities[measure.name], notes) for change in found)
        similar.add_row(f"{labels[measure.name]}, {ARROWS[measure.direction]}", *cells)
    read = _table("accuracy of a readout, %", *layers)
    for name in found[0].readouts:
        read.add_row(name, *(_readout(change.readouts[name], notes) for change in found))
    return Group(
        Text(f"from {plain(first.where)} to {plain(second.where)}", style="bold"),
        Text(),
        similar,
        Text("In brackets: the mean after samples were permuted.", style="dim"),
        Text(),
        read,
        *notes.lines(),
        *(Text(f"{plain(name)} is left out: one side lacks it", style="dim") for name in left_out),
    )


def drift_table(
    where: str, measure: Measure, found: Mapping[str, Sequence[Compared | str]]
) -> RenderableType:
    """How alike each version of a run is to the last one: a row a version, a column a layer."""
    notes, layers = Footnotes(), list(found)
    label = next((e.label for row in found.values() for e in row if isinstance(e, Compared)), "")
    table = _table("version", *map(plain, layers))
    for version in range(len(found[layers[0]])):
        cells = (_similarity(found[layer][version], notes) for layer in layers)
        table.add_row(str(version), *cells)
    head = f"{label or measure.name} to the last version of {plain(where)}"
    legend = f"{ARROWS[measure.direction]}; in brackets: the mean after samples were permuted."
    return Group(Text(head, style="bold"), Text(), table, Text(legend, style="dim"), *notes.lines())


def _similarity(found: Compared | str, notes: Footnotes) -> str:
    if isinstance(found, str):
        return f"–{notes.mark(found)}"
    return f"{found.value:z.2f} ({found.null:z.2f})"


def _readout(pair: tuple[float | str, float | str], notes: Footnotes) -> str:
    before, after = (
        f"–{notes.mark(each)}" if isinstance(each, str) else f"{100 * each:.1f}" for each in pair
    )
    return f"{before} to {after}"


def _table(first: str, *others: str) -> Table:
    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(Text(name), justify="right")
    return table
