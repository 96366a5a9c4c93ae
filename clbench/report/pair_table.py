"""Two methods side by side, and a single run, as tables for a terminal."""

from collections.abc import Mapping, Sequence

from rich.box import HORIZONTALS
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from clbench.alike import tuning_notes
from clbench.compare import Comparison, Difference
from clbench.metric import Metric
from clbench.report.cells import Footnotes, plain
from clbench.report.number import arrow, heading, p_value, value_text, with_margin
from clbench.report.section import title
from clbench.score import RunScores
from clbench.statistics import Interval
from clbench.uses import UNKNOWN, uses

NO_DIFFERENCE = "a difference of p-values has no meaning"


def run_table(run: RunScores, metrics: Mapping[str, Metric]) -> RenderableType:
    """All scores of one run, with what they mean."""
    table = _table("score", "value", "")
    table.add_column("definition")
    for metric in metrics.values():
        score = run.values[metric.id]
        missing = score.value is None
        value = "–" if score.value is None else value_text(metric.unit, score.value)
        text = f"not measured: {plain(score.why)}" if missing else metric.definition
        style = "dim" if missing else ""
        name = Text(title(metric), style=style)
        table.add_row(name, value, arrow(metric), Text(text, style="dim"))
    record = run.record
    head = Text.assemble((plain(run.label), "bold"), f" on {plain(record.stream.name)}, ")
    about = [f"seed {record.seed}", *(f"uses {word}" for word in uses(record) if word != UNKNOWN)]
    about += [f"tuned: {record.tuned}"] if record.tuning else []
    notes = _notes(tuning_notes([(run.label, record)]))
    return Group(head + Text(", ".join(about)), Text(), table, *notes)


def comparison_table(found: Comparison, metrics: Mapping[str, Metric]) -> RenderableType:
    """The differences b - a with their intervals and tests, and the flips from a to b."""
    seeds = ", ".join(map(str, found.seeds))
    name_a, name_b = plain(found.a), plain(found.b)
    table = _table("score", f"{name_b} minus {name_a}", "p", "seeds")
    accuracy = "final accuracy % ↑ (over seeds and samples)"
    notes = Footnotes()
    table.add_row(accuracy, *_accuracy(found.accuracy))
    table.add_section()
    for name, difference in found.metrics.items():
        metric = metrics[name]
        words = filter(None, [title(metric), heading(metric.unit), arrow(metric)])
        table.add_row(" ".join(words), *_difference(metric, difference, notes))
    parts: list[RenderableType] = [
        Text(f"{name_a} and {name_b} on {plain(found.stream)}, seeds {seeds}", style="bold"),
        Text(),
        table,
        *notes.lines(),
        Text(),
        _flips(found),
        *_notes(found.notes),
        *(Text(f"left out: {plain(each)}", style="yellow") for each in found.left_out),
    ]
    return Group(*parts)


def _notes(sentences: Sequence[str]) -> list[Text]:
    return [Text(plain(each), style="yellow") for each in sentences]


def _table(first: str, *others: str) -> Table:
    table = Table(box=HORIZONTALS, show_edge=False, pad_edge=False)
    table.add_column(first)
    for name in others:
        table.add_column(Text(name), justify="right")
    return table


def _accuracy(difference: Difference) -> tuple[Text, str, str]:
    """The interval of a resampling is not symmetric, so both its ends are shown."""
    assert difference.mean is not None
    assert difference.interval is not None
    low, high = (f"{100 * end:+z.1f}" for end in difference.interval)
    text = f"{100 * difference.mean:+z.1f} [{low}, {high}]"
    return _told_apart(text, difference), _p(difference), str(difference.n)


def _difference(metric: Metric, difference: Difference, notes: Footnotes) -> tuple[Text, str, str]:
    if metric.unit == "p-value":
        return Text(f"–{notes.mark(NO_DIFFERENCE)}", style="dim"), "", ""
    if difference.mean is None:
        return Text(f"–{notes.mark(difference.why)}", style="dim"), "", "0"
    interval = difference.interval
    half = None if interval is None else (interval.high - interval.low) / 2
    text = with_margin(metric.unit, difference.mean, half, signed=True)
    return _told_apart(text, difference), _p(difference), str(difference.n)


def _told_apart(text: str, difference: Difference) -> Text:
    """Bold where the 95 % interval leaves out 0."""
    apart = difference.interval is not None and _leaves_out_zero(difference.interval)
    return Text(text, style="bold" if apart else "")


def _leaves_out_zero(interval: Interval) -> bool:
    return interval.low > 0 or interval.high < 0


def _p(difference: Difference) -> str:
    return "" if difference.p is None else p_value(difference.p)


def _flips(found: Comparison) -> Text:
    lines = [
        f"seed {seed}: {flips.nf} lost, {flips.pf} gained of {flips.n} samples "
        f"(McNemar p {p_value(flips.mcnemar)})"
        for seed, flips in found.flips.items()
    ]
    note = (
        f"Lost: right in {plain(found.a)}, wrong in {plain(found.b)}, after the last update. ± is "
        "half a 95 % t interval over seeds; bold where the interval leaves out 0; p from a paired "
        "t test, not adjusted for their number."
    )
    return Text.assemble("\n".join(lines), "\n\n", (note, "dim"))
