"""The table of unlearning on a page: value, interval, fraction and marks of each set-up."""

from collections.abc import Mapping, Sequence

from clbench.grouping import GroupRow
from clbench.metric.group import GroupMetric
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
from clbench.report.html_table import head, metric_head
from clbench.report.markup import Markup, join, swatch, tag
from clbench.report.section import families
from clbench.report.theme import Style

FAMILIES = {
    "unlearned": "Accuracy",
    "unlearned_margins": "Margins of many models",
    "unlearned_attacks": "Attacks with many models",
    "unlearned_population": "Attacks on single models",
    "unlearned_outputs": "Outputs",
    "unlearned_flips": "Changed answers",
    "unlearned_inside": "Inside",
    "forget_cost": "Cost",
}


def unlearning_tables(table: Table, styles: Mapping[str, Style], caption: str) -> Markup:
    """What decides in one table, the rest by family; what the marks mean, and what is missing."""
    first = [metric for metric in table.metrics if metric.headline]
    parts = [_table(table, first, styles, f"Unlearning on {caption}")] if first else []
    for family, metrics in families([m for m in table.metrics if not m.headline]).items():
        name = FAMILIES.get(family, family.replace("_", " "))
        parts += [tag("h4", name), _table(table, metrics, styles, f"{name} on {caption}")]
    parts.append(tag("p", legend(table), class_="legend"))
    told = [tag("li", "Over-unlearned: ", each) for each in over_unlearned(table)]
    parts.append(tag("ul", *told, class_="reasons") if told else Markup(""))
    missing = [tag("li", "Not measured: ", each) for each in table.missing]
    return join([*parts, tag("ul", *missing, class_="reasons") if missing else Markup("")])


def _table(
    table: Table, metrics: Sequence[object], styles: Mapping[str, Style], caption: str
) -> Markup:
    chosen = [metric for metric in metrics if isinstance(metric, GroupMetric)]
    flag = [head("flag", "text")] if table.flagged else []
    heads = [head("method", "text"), head("models", "number"), *flag, *map(metric_head, chosen)]
    bodies = []
    for control in (False, True):
        rows = [row for row in table.rows if row.control is control]
        lines = [_row(table, row, chosen, styles[row.label]) for row in rows]
        if lines:
            bodies.append(tag("tbody", *lines, class_="controls" if control else "methods"))
    whole = tag("table", tag("caption", caption), tag("thead", tag("tr", *heads)), *bodies)
    return tag("div", whole, class_="scroll", tabindex="0", role="region", aria_label=caption)


def _row(table: Table, row: GroupRow, metrics: Sequence[GroupMetric], style: Style) -> Markup:
    name = tag("span", swatch(style), tag("span", label(row)), class_="name")
    runs, sides = models(row)
    n = tag("td", str(runs), _below(f"{sides} a side"), data_value=str(runs))
    flag = [tag("td", row.flag, class_="flaw", data_value=row.flag)] if table.flagged else []
    first = tag("th", name, scope="row", data_value=row.label)
    return tag("tr", first, n, *flag, *(_cell(metric, row) for metric in metrics))


def _cell(metric: GroupMetric, row: GroupRow) -> Markup:
    score = row.scores[metric.id]
    if score.value is None:
        return tag("td", "–", class_="missing", title=score.why)
    value, _, margin = value_text(metric, score).partition(" ± ")
    spread = tag("span", f" ± {margin}", class_="margin") if margin else Markup("")
    mark = tag("span", marks(row, score), class_="mark")
    kind = "best" if is_null(row) else False
    below = _below(fraction_text(score) or "·")
    why = score.why or False
    return tag(
        "td", value, spread, mark, below, class_=kind, title=why, data_value=repr(score.value)
    )


def _below(text: str) -> Markup:
    return tag("small", text, class_="below")
