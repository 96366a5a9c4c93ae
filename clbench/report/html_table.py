"""The score table of a page: sortable, with the meaning of each column."""

from collections.abc import Mapping, Sequence

from clbench.metric import Metric
from clbench.report.markup import Markup, join, paper_link, swatch, tag
from clbench.report.number import arrow, cell_text, heading
from clbench.report.section import Section, families, title
from clbench.report.theme import Style
from clbench.report.tuning import on_test, shows_tuning, tuned
from clbench.summary import Cell, Row
from clbench.uses import caption as caption_of

BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": "no better or worse"}


def score_table(
    section: Section, metrics: Sequence[Metric], styles: Mapping[str, Style], caption: str
) -> Markup:
    """Methods and controls as rows, scores as columns."""
    used = [head("uses", "text", tip=caption_of(section.uses))] if section.uses else []
    heads = [head("method", "text"), *used, head("seeds", "number")]
    heads += [head("tuned", "text")] if shows_tuning(section) else []
    heads += map(metric_head, metrics)
    bodies = []
    for control in (False, True):
        rows = [row for row in section.rows if row.control is control]
        if rows:
            kind = "controls" if control else "methods"
            lines = [_row(section, row, metrics, styles[row.label]) for row in rows]
            bodies.append(tag("tbody", *lines, class_=kind))
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", *heads)), *bodies)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def glossary(metrics: Sequence[Metric]) -> Markup:
    """What each score means, by family."""
    return join(
        tag("section", tag("h3", family), tag("dl", *map(_definition, members)))
        for family, members in sorted(families(metrics).items())
    )


def missing(section: Section, metrics: Sequence[Metric]) -> list[Markup]:
    """Why scores are missing, once for each reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for metric in metrics:
        for row in section.rows:
            cell = row.cells[metric.id]
            if cell.n < len(row.seeds):
                found.setdefault((title(metric), cell.why), []).append(row.label)
    everyone = len(section.rows)
    return [
        tag("li", tag("b", name), f" of {_names(labels, everyone)}: {why}")
        for (name, why), labels in found.items()
    ]


def _names(labels: Sequence[str], everyone: int) -> str:
    return "all" if len(labels) == everyone else ", ".join(labels)


def head(name: str, kind: str, *more: Markup, tip: str = "") -> Markup:
    """The head of a column that can be sorted by."""
    button = tag("button", tag("span", name), *more, type="button", data_kind=kind, data_tip=tip)
    return tag("th", button, scope="col", aria_sort="none")


def metric_head(metric: Metric) -> Markup:
    """The head of a metric's column, with its definition."""
    unit = tag("small", heading(metric.unit) + " ", tag("span", arrow(metric), aria_hidden="true"))
    tip = f"{metric.definition} {BETTER[metric.direction].capitalize()}. {metric.paper}"
    hidden = tag("span", f" ({BETTER[metric.direction]})", class_="hidden")
    return head(title(metric), "number", unit, hidden, tip=tip.strip())


def _row(section: Section, row: Row, metrics: Sequence[Metric], style: Style) -> Markup:
    granted = section.granted(row)
    dagger = tag("sup", "†", title=f"granted {', '.join(granted)}") if granted else Markup("")
    name = tag("span", swatch(style), tag("span", row.label, dagger), class_="name")
    label = tag("th", name, scope="row", data_value=row.label)
    words = ", ".join(row.uses)
    used = tag("td", words, class_="uses", data_value=words) if section.uses else Markup("")
    n = tag("td", str(len(row.seeds)), data_value=str(len(row.seeds)))
    choice = [_tuned_cell(section, row)] if shows_tuning(section) else []
    cells = [_cell(metric, row.cells[metric.id], len(row.seeds)) for metric in metrics]
    return tag("tr", label, used, n, *choice, *cells)


def _tuned_cell(section: Section, row: Row) -> Markup:
    text = tuned(section, row)
    return tag("td", text, class_="flaw" if on_test(section, row) else False, data_value=text)


def _cell(metric: Metric, cell: Cell, seeds: int) -> Markup:
    if cell.mean is None:
        return tag("td", "–", class_="missing", title=cell.why)
    mean, _, margin = cell_text(metric.unit, cell).partition(" ± ")
    spread = tag("span", f" ± {margin}", class_="margin") if margin else Markup("")
    mark = tag("span", *_mark(cell), class_="mark")
    n = tag("sub", f"n={cell.n}") if cell.n < seeds else Markup("")
    kind = "best" if cell.best else "tied" if cell.tied else False
    why = cell.why or False
    return tag("td", mean, spread, n, mark, class_=kind, title=why, data_value=repr(cell.mean))


def _mark(cell: Cell) -> list[str]:
    """The mark, and its word for those who hear the page."""
    if cell.best:
        return ["★", tag("span", " best", class_="hidden")]
    return ["≈", tag("span", " tied with the best", class_="hidden")] if cell.tied else []


def _definition(metric: Metric) -> Markup:
    facts = [BETTER[metric.direction], heading(metric.unit) or metric.unit]
    paper = [", ", paper_link(metric.paper)] if metric.paper else []
    line = tag("small", metric.name, ": ", ", ".join(facts), *paper)
    return join([tag("dt", title(metric)), tag("dd", metric.definition, Markup("<br>"), line)])
