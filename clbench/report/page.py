"""A report: one HTML file that holds all it needs and asks no one for anything."""

import base64
import hashlib
from collections.abc import Callable, Sequence
from importlib.resources import files
from itertools import count
from pathlib import Path

from plotly.offline import get_plotlyjs

from clbench.errors import ClbenchError
from clbench.files import write_atomic, writing
from clbench.ledger import Ledger
from clbench.report.gallery import gallery
from clbench.report.group_cells import group_tables
from clbench.report.html_table import glossary
from clbench.report.markup import Markup, join, script_json, tag
from clbench.report.section import Section, chosen_metrics, sections
from clbench.report.stream_section import Easel, stream_section
from clbench.report.theme import styles, template
from clbench.score import Scores, score_runs

Progress = Callable[[int, int], None]  # steps done, steps in all: two a run


def write_report(
    ledgers: Sequence[Ledger],
    path: Path,
    progress: Progress = lambda done, whole: None,
    *,
    title: str = "clbench report",
    jobs: int = 1,
    every: bool = False,
) -> Scores:
    """Score the runs and write the report; the same runs give the same bytes.

    `every` scores by all metrics of many models, not by the headline ones alone.

    Raises:
        ClbenchError: no run is finished, a ledger is broken, or the file cannot be written.
    """

    def scored(done: int, whole: int) -> None:
        progress(done, 2 * whole)

    scores = score_runs(ledgers, jobs=jobs, progress=scored, every=every)
    if not scores.runs:
        raise ClbenchError(
            f"none of the {len(ledgers)} runs is finished; run the same command again to go on"
        )
    page = render(scores, progress, title=title)
    with writing(path):
        write_atomic(path, page.encode())
    return scores


def render(
    scores: Scores,
    progress: Progress = lambda done, whole: None,
    *,
    title: str = "clbench report",
) -> str:
    """The page; predictions are read once more for its pictures."""
    parts, easel, runs = sections(scores), Easel(), len(scores.runs)
    look = styles([(row.label, row.control) for part in parts for row in part.rows])
    steps = count(runs + 1)

    def read_run() -> None:
        progress(next(steps), 2 * runs)

    headline, every = chosen_metrics(scores, None), chosen_metrics(scores, "all")
    tables, bodies = group_tables(scores.groups, scores.group_metrics), []
    for number, part in enumerate(parts):
        table = tables.get(part.place)
        shown = gallery(part, scores.metrics, look, read_run, table)
        anchor = f"stream-{number}"
        bodies.append(stream_section(part, anchor, headline, every, shown, look, easel, table))
    content = [_intro(title, parts, scores), tag("main", *bodies, _outro(scores))]
    return _document(title, content, easel)


def _intro(title: str, parts: Sequence[Section], scores: Scores) -> Markup:
    links = [tag("a", part.title, href=f"#stream-{i}") for i, part in enumerate(parts)]
    links.append(tag("a", "scores explained", href="#glossary"))
    setups = {(row.label, row.control) for part in parts for row in part.rows}
    controls = sum(control for _, control in setups)
    counts = (
        (len(setups) - controls, "method"),
        (controls, "control"),
        (len(parts), "stream"),
        (len(scores.runs), "run"),
    )
    lead = " · ".join(f"{count} {noun}{'s' * (count != 1)}" for count, noun in counts)
    nav = tag("nav", *links, aria_label="sections")
    return tag("header", tag("h1", title), tag("p", lead, class_="lead"), nav)


def _outro(scores: Scores) -> Markup:
    """What the scores mean, and what was left out of the report."""
    left_out = [tag("li", sentence) for sentence in (*scores.unfinished, *scores.broken)]
    out = tag("section", tag("h2", "Left out"), tag("ul", *left_out, class_="reasons"))
    of_many = scores.group_metrics.values() if scores.groups else ()
    explained = glossary([*scores.metrics.values(), *of_many])
    body = tag("section", tag("h2", "Scores explained"), explained, id="glossary")
    return join([out, body]) if left_out else body


def _document(title: str, content: Sequence[Markup], easel: Easel) -> str:
    room = files("clbench.report")
    style = Markup(room.joinpath("page.css").read_text("utf-8"))
    # inside of a script element no other text can end it
    library = Markup(get_plotlyjs().replace("</script", "<\\/script"))
    script = Markup(room.joinpath("page.js").read_text("utf-8"))
    figures = {
        "templates": {"light": template("light"), "dark": template("dark")},
        "figures": easel.drawn,
    }
    head = tag(
        "head",
        Markup('<meta charset="utf-8">'),
        Markup('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Markup('<meta name="color-scheme" content="light dark">'),
        Markup(f'<meta http-equiv="Content-Security-Policy" content="{_policy(library, script)}">'),
        tag("title", title),
        tag("style", style),
    )
    body = tag(
        "body",
        *content,
        tag("script", script_json(figures), type="application/json", id="figures"),
        tag("script", library),
        tag("script", script),
    )
    return f"<!DOCTYPE html>\n{tag('html', head, body, lang='en')}\n"


def _policy(*scripts: str) -> str:
    """Nothing is loaded, and no script runs but these: a second lock behind the escaping."""
    digests = (base64.b64encode(hashlib.sha256(text.encode()).digest()) for text in scripts)
    allowed = " ".join(f"'sha256-{digest.decode()}'" for digest in digests)
    return (
        f"default-src 'none'; script-src {allowed}; style-src 'unsafe-inline'; "
        "img-src data: blob:; base-uri 'none'; form-action 'none'"
    )
