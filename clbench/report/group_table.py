"""Scores of unlearning as tables for a terminal, as wide as it is."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import HORIZONTALS
from rich.console import Console, ConsoleOptions, RenderResult
from rich.padding import Padding
from rich.table import Table as RichTable
from rich.text import Text

from clbench.grouping import GroupRow
from clbench.metric.group import GroupMetric
from clbench.report.cells import Footnotes, header, plain
from clbench.report.group_cells import (
    Table,
    fraction_text,
    is_null,
    label,
    legend,
    marks,
    models,
    over_unlearned,
    value_text,
)
from clbench.report.section import families

GAP = 2
LABEL_SHARE = 4  # labels may take a quarter of the width
LABEL = len("retrain, the null")  # but not less than that
NO_FRACTION = "·"
FLAGS = {
    "": "",
    "over-unlearned": "over-\nunlearned",
    "remembers": "still\nremembers",
    "both": "both\nways",
}


@dataclass(frozen=True)
class UnlearningTable:
    """The tables of one stream; with `by_family` a family of metrics after the other."""

    title: str
    table: Table
    by_family: bool = False

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        notes = Footnotes()
        yield Text(plain(self.title), style="bold")
        for columns in self._packed(options.max_width):
            yield Padding(self._part(columns, notes, options.max_width), (1, 0, 0, 0))
        yield Text()
        yield from notes.lines()
        for sentence in over_unlearned(self.table):
            yield Text.assemble(("over-unlearned: ", "yellow"), plain(sentence))
        for why in self.table.missing:
            yield Text(f"not measured: {plain(why)}", style="dim")
        yield Text(legend(self.table), style="dim")

    def _packed(self, width: int) -> Iterator[list[GroupMetric]]:
        """The metrics in groups that fit beside the labels."""
        free = width - self._label_width(width) - GAP
        free -= self._flag_width() + GAP if self.table.flagged else 0
        metrics = self.table.metrics
        for family in families(metrics).values() if self.by_family else [metrics]:
            group: list[GroupMetric] = []
            used = 0
            for metric in family:
                assert isinstance(metric, GroupMetric)
                needed = self._width(metric) + GAP
                if group and used + needed > free:
                    yield group
                    group, used = [], 0
                group.append(metric)
                used += needed
            yield group

    def _part(self, metrics: Sequence[GroupMetric], notes: Footnotes, width: int) -> RichTable:
        part = RichTable(box=HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        wide = self._label_width(width)
        part.add_column("method", width=wide, overflow="fold", vertical="bottom")
        if self.table.flagged:
            part.add_column("flag", vertical="bottom", width=self._flag_width())
        for metric in metrics:
            size = self._width(metric)
            part.add_column(header(metric), justify="right", vertical="bottom", width=size)
        previous = None
        for row in self.table.rows:
            if previous and row.control and not previous.control:
                part.add_section()
            cells = [_cell(metric, row, notes) for metric in metrics]
            flag = [Text(FLAGS[row.flag], style="yellow")] if self.table.flagged else []
            part.add_row(_name(row), *flag, *cells, style="dim" if row.control else "")
            previous = row
        return part

    def _width(self, metric: GroupMetric) -> int:
        cells = [_cell(metric, row, Footnotes()) for row in self.table.rows]
        lines = [line for cell in cells for line in cell.plain.splitlines()]
        return max(map(len, [*header(metric).plain.split(), *lines]))

    def _label_width(self, width: int) -> int:
        lines = [line for row in self.table.rows for line in _name(row).plain.splitlines()]
        return min(max(map(len, lines)), max(LABEL, width // LABEL_SHARE))

    def _flag_width(self) -> int:
        return len("unlearned")


def _cell(metric: GroupMetric, row: GroupRow, notes: Footnotes) -> Text:
    """Value and marks; below, where it lies between do-nothing and the null."""
    score = row.scores[metric.id]
    if score.value is None:
        return Text(f"–{notes.mark(score.why)}  \n{NO_FRACTION}   ", style="dim")
    bold = "bold" if is_null(row) else ""
    first = Text(f"{value_text(metric, score)} {marks(row, score):<2}", style=bold)
    return first + Text(f"\n{fraction_text(score) or NO_FRACTION}   ", style="dim")


def _name(row: GroupRow) -> Text:
    runs, sides = models(row)
    return Text(plain(label(row))) + Text(f"\n{_models(runs, sides)}", style="dim")


def _models(runs: int, sides: int) -> str:
    return f"n={runs}" + f", {sides} a side" * (sides < runs)
