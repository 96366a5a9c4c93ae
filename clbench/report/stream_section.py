"""The part of a page that is about one stream."""

from collections.abc import Mapping, Sequence
from typing import Any

from clbench.alike import tuning_warnings
from clbench.metric import Metric
from clbench.report.cards import cards, stream_facts
from clbench.report.cells import legend
from clbench.report.gallery import Gallery
from clbench.report.group_cells import Table
from clbench.report.group_html import unlearning_tables
from clbench.report.html_table import missing, score_table
from clbench.report.markup import Markup, join, swatch, tag
from clbench.report.picture import Picture
from clbench.report.section import Section, families
from clbench.report.theme import GAINED, LOST, REGAINED, Style
from clbench.report.tuning import setups

MATRICES = "Accuracy on each evaluation set"
MATRIX = (
    "Rows are versions, columns evaluation sets, values percents, mean over seeds. Blank where a "
    "version was not asked."
)
INSIDE = (
    "Accuracy on each evaluation set, on at most 256 of its samples, after so many training steps "
    "of the run with the lowest seed. A line begins where its set is first asked; point at it for "
    "the name. Dots and dotted lines: where updates end."
)
FLIPS = (
    "Share of the samples that the older version had learnt whose answer an update turned right "
    "(up) or wrong (down), mean over seeds. Lost for ever: wrong in all later versions."
)


class Easel:
    """Gives each picture of a page its place, and keeps what is drawn there."""

    def __init__(self) -> None:
        self.drawn: list[dict[str, Any]] = []

    def place(self, picture: Picture, style: Style | None = None) -> Markup:
        """The element that the picture will stand in."""
        drawn = picture.figure.to_plotly_json()
        drawn["layout"].pop("template")  # the page has one for light and one for dark
        self.drawn.append({"data": drawn["data"], "layout": drawn["layout"]})
        name = f"{picture.title}. {picture.caption}".strip()
        height = f"min-height:{drawn['layout']['height']}px"
        canvas = tag("div", class_="plot", role="img", aria_label=name, style=height)
        heading = tag("h4", swatch(style) if style else "", picture.title)
        words = tag("figcaption", heading, tag("p", picture.caption) if picture.caption else "")
        return tag("figure", words, canvas, data_label=picture.label)


def stream_section(
    section: Section,
    anchor: str,
    headline: Sequence[Metric],
    every: Sequence[Metric],
    shown: Gallery,
    styles: Mapping[str, Style],
    easel: Easel,
    unlearning: Table | None = None,
) -> Markup:
    """Everything on one stream: facts, scores, pictures, cards, and what is missing.

    `unlearning` has the scores of a stream that forgets; they and their pictures come first.
    """
    tables = [
        join(
            [tag("h4", family), score_table(section, each, styles, f"{family} on {section.title}")]
        )
        for family, each in sorted(families(every).items())
    ]
    scores = [  # of a stream that forgets they would rank by answers that were to be forgotten
        tag("h3", "Scores"),
        score_table(section, headline, styles, f"scores on {section.title}"),
        tag("p", legend(section), class_="legend"),
    ]
    warnings = tuning_warnings(setups(section))
    gaps = [*missing(section, every), *(tag("li", each) for each in shown.left_out)]
    return tag(
        "section",
        tag("h2", section.title),
        stream_facts(section),
        tag("h3", "Unlearning") if unlearning else "",
        unlearning_tables(unlearning, styles, section.title) if unlearning else "",
        *([] if unlearning else scores),
        *(tag("p", f"Warning: {each}", class_="flaw") for each in warnings),
        tag("details", tag("summary", f"all {len(every)} scores of single runs"), *tables),
        tag(
            "div",  # the buttons stay in sight along the pictures
            tag("h3", "Pictures"),
            _switches(section, styles),
            tag("div", *map(easel.place, [*shown.unlearning, *shown.shared]), class_="wide"),
            _multiples(MATRICES, MATRIX, SCALE, shown.matrices, styles, easel),
            _multiples("Accuracy inside updates", INSIDE, Markup(""), shown.inside, styles, easel),
            _multiples("Flips at each update", FLIPS, KEY, shown.flips, styles, easel),
        ),
        tag("h3", "What was run"),
        tag("div", cards(section, styles), class_="cards"),
        tag("h3", "Not measured") if gaps else "",
        tag("ul", *gaps, class_="reasons") if gaps else "",
        id=anchor,
        class_="stream",
    )


SCALE = tag("p", tag("span", "0 %"), tag("i", class_="scale"), tag("span", "100 %"), class_="key")
KEY = tag(
    "p",
    *(
        tag("span", tag("i", class_="chip", style=f"background:{colour}"), name)
        for name, colour in (
            ("gained", GAINED),
            ("lost, regained later", REGAINED),
            ("lost for ever", LOST),
        )
    ),
    class_="key",
)


def _multiples(
    title: str,
    caption: str,
    key: Markup,
    pictures: Sequence[Picture],
    styles: Mapping[str, Style],
    easel: Easel,
) -> Markup:
    if not pictures:
        return Markup("")
    figures = [easel.place(each, styles[each.label]) for each in pictures]
    grid = tag("div", *figures, class_="multiples")
    return join([tag("h3", title), tag("p", caption, class_="legend"), key, grid])


def _switches(section: Section, styles: Mapping[str, Style]) -> Markup:
    """The legend of all pictures: a button for each method, which shows or hides it."""
    buttons = [
        tag(
            "button",
            swatch(styles[row.label]),
            row.label,
            type="button",
            aria_pressed="true",
            data_label=row.label,
        )
        for row in section.rows
    ]
    return tag("div", *buttons, class_="switches", role="group", aria_label="methods shown")
