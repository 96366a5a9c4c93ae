"""Scores as tables for a terminal, as wide as it is."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.box import HORIZONTALS
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from clbench.alike import tuning_warnings
from clbench.metric import Metric
from clbench.report.cells import Footnotes, body, header, legend, plain, row_label, tuned_cell
from clbench.report.group_cells import group_tables
from clbench.report.group_table import UnlearningTable
from clbench.report.section import (
    Section,
    chosen_groups,
    chosen_metrics,
    families,
    sections,
    split_names,
)
from clbench.report.tuning import setups, shows_tuning
from clbench.score import Scores

GAP = 2  # what lies between two columns
LABEL_SHARE = 3  # labels may take a third of the width


def score_table(scores: Scores, metrics: Sequence[str] | str | None = None) -> RenderableType:
    """A table a stream: methods as rows, controls apart, scores as columns.

    `metrics`: ids, `"all"` (by family), or None for the headline ones. Columns that do not fit
    beside each other continue in a further table. A stream that forgets has a table of its own,
    which stands in place of the headline scores.

    Raises:
        ClbenchError: a named metric was not scored.
    """
    of_runs, of_many = split_names(scores, metrics)
    chosen = chosen_metrics(scores, of_runs)
    blocks = list(families(chosen).values()) if metrics == "all" else [chosen]
    groups = group_tables(scores.groups, chosen_groups(scores, of_many))
    tables: list[RenderableType] = []
    for section in sections(scores):
        group = groups.get(section.place)
        if chosen and (metrics is not None or group is None):
            tables.append(_SectionTable(section, blocks))
        if group and (group.metrics or group.missing):
            tables.append(UnlearningTable(f"{section.title}: unlearning", group, metrics == "all"))
    left_out = [
        Text.assemble(("left out: ", "yellow"), plain(sentence))
        for sentence in (*scores.unfinished, *scores.broken)
    ]
    return Group(*tables, *left_out)


@dataclass(frozen=True)
class _SectionTable:
    """The tables of one stream; the columns are shared out when the width is known."""

    section: Section
    blocks: Sequence[Sequence[Metric]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        notes = Footnotes()
        yield Text(plain(self.section.title), style="bold")
        for block in self.blocks:
            for columns in self._packed(block, options.max_width):
                yield Padding(
                    self._table(columns, notes, self._label_width(options.max_width)), (1, 0, 0, 0)
                )
        yield Text()
        yield from notes.lines()
        yield Text(plain(legend(self.section)), style="dim")
        for warning in tuning_warnings(setups(self.section)):
            yield Text.assemble(("warning: ", "yellow"), plain(warning))

    def _packed(self, metrics: Sequence[Metric], width: int) -> list[list[Metric]]:
        """The metrics in groups that fit beside the labels."""
        free = width - self._label_width(width) - GAP - len("n") - GAP
        free -= self._tuned_width() + GAP if self._tuned_width() else 0
        free -= (self._uses_width() + GAP) * bool(self.section.uses)
        groups: list[list[Metric]] = [[]]
        used = 0
        for metric in metrics:
            needed = self._width(metric) + GAP
            if groups[-1] and used + needed > free:
                groups.append([])
                used = 0
            groups[-1].append(metric)
            used += needed
        return groups

    def _width(self, metric: Metric) -> int:
        words = header(metric).plain.split()
        notes = Footnotes()
        cells = [body(metric, row, notes).cell_len for row in self.section.rows]
        return max(*map(len, words), *cells)

    def _tuned_width(self) -> int:
        """The width of the column that says how methods were tuned; 0 where none was."""
        if not shows_tuning(self.section):
            return 0
        lines = (tuned_cell(self.section, row).plain.splitlines() for row in self.section.rows)
        return max(len(line) for each in lines for line in ("tuned", *each))

    def _label_width(self, width: int) -> int:
        longest = max(len("method"), *(len(row_label(self.section, r)) for r in self.section.rows))
        return min(longest, max(8, width // LABEL_SHARE))

    def _uses_width(self) -> int:
        """That of the longest word; several stand below each other."""
        return max(map(len, ["uses", *self.section.uses])) + len(",")

    def _table(self, metrics: Sequence[Metric], notes: Footnotes, label_width: int) -> Table:
        table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
        table.add_column("method", width=label_width, overflow="fold", vertical="bottom")
        if used := self.section.uses:
            table.add_column("uses", width=self._uses_width(), vertical="bottom")
        table.add_column("n", justify="right", vertical="bottom")
        shown = shows_tuning(self.section)
        if shown:
            table.add_column("tuned", vertical="bottom", width=self._tuned_width())
        for metric in metrics:
            table.add_column(
                header(metric), justify="right", vertical="bottom", width=self._width(metric)
            )
        previous = None
        for row in self.section.rows:
            if previous and row.control and not previous.control:
                table.add_section()
            cells = [tuned_cell(self.section, row)] if shown else []
            cells += [body(metric, row, notes) for metric in metrics]
            words = [Text(",\n".join(row.uses), style="dim")] if used else []
            name, n = Text(row_label(self.section, row)), Text(str(len(row.seeds)))
            table.add_row(name, *words, n, *cells, style="dim" if row.control else "")
            previous = row
        return table
