"""What stands in the cells of a terminal table."""

from collections.abc import Iterator

from rich.text import Text

from clbench.alike import tuning_caption
from clbench.metric import Metric
from clbench.report.number import arrow, cell_text, heading
from clbench.report.section import Section, title
from clbench.report.tuning import on_test, setups, tuned
from clbench.summary import Row
from clbench.uses import caption as uses_caption

SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
LEGEND = (
    "± is half a 95 % t interval over the n seeds (no ± with one seed). ★ is the best mean among "
    "the methods; ≈ is not told apart from it at 5 %: paired t test over shared seeds, "
    "Holm-corrected, or too few shared seeds to test."
)
CONTROLS = "Dimmed below the rule: controls, for calibration; they are not ranked."
GRANTED = "† was granted past data as a control."


class Footnotes:
    """Reasons, numbered as they come up; the same reason keeps its number."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def mark(self, reason: str) -> str:
        """The superscript number of a reason."""
        number = self._numbers.setdefault(reason, len(self._numbers) + 1)
        return str(number).translate(SUPERSCRIPTS)

    def lines(self) -> Iterator[Text]:
        """One line a reason."""
        for reason in self._numbers:
            yield Text(f"{self.mark(reason)} not measured: {plain(reason)}", style="dim")


def header(metric: Metric) -> Text:
    """A column's head: the name, and below it the unit and which way is better."""
    return Text(f"{title(metric)}\n{heading(metric.unit)} {arrow(metric)}")


def body(metric: Metric, row: Row, notes: Footnotes) -> Text:
    """A score with its marks; what is missing becomes a footnote."""
    cell = row.cells[metric.id]
    missing = notes.mark(cell.why) if cell.n < len(row.seeds) else ""
    if cell.mean is None:
        return Text(f"–{missing}  ", style="dim")
    mark = "★" if cell.best else "≈" if cell.tied else " "
    return Text(
        f"{cell_text(metric.unit, cell)}{missing} {mark}", style="bold" if cell.best else ""
    )


def row_label(section: Section, row: Row) -> str:
    """The method's name, with a mark if it was granted more than the protocol."""
    return plain(row.label) + "†" * bool(section.granted(row))


def tuned_cell(section: Section, row: Row) -> Text:
    """How a row's hyperparameters were chosen."""
    text = plain(tuned(section, row)).replace(", ", ",\n")
    return Text(text, style="bold red" if on_test(section, row) else "")


def legend(section: Section) -> str:
    """What the marks mean, as far as they occur."""
    sentences = [LEGEND]
    if any(row.control for row in section.rows):
        sentences.append(CONTROLS)
    if any(section.granted(row) for row in section.rows):
        sentences.append(GRANTED)
    sentences.append(uses_caption(section.uses))
    if caption := tuning_caption([record for _, record in setups(section)]):
        sentences.append(caption)
    return " ".join(filter(None, sentences))


def plain(text: str) -> str:
    """Text from outside without what a terminal would obey."""
    return "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
