"""What was run: the stream, and a card for each set-up."""

from collections.abc import Mapping, Sequence
from typing import Any

from clbench.alike import tuning_caption
from clbench.record import RunRecord, StreamRecord
from clbench.report.command import command
from clbench.report.markup import Markup, join, paper_link, swatch, tag
from clbench.report.section import Section
from clbench.report.theme import Style
from clbench.report.tuning import on_test
from clbench.spec import flat
from clbench.summary import Row


def stream_facts(section: Section) -> Markup:
    """The stream in a few words, and its updates."""
    stream = section.stream
    learnt = sum(update.samples for update in stream.updates)
    facts = {
        "updates": str(len(stream.updates)),
        "classes": str(len(stream.class_names)),
        "training samples": f"{learnt:,}",
        "test samples": f"{sum(e.samples for e in stream.evals if e.split == 'test'):,}",
        "source": stream.source,
        **{key.replace("_", " "): _value(value) for key, value in flat(stream.protocol)},
        "fingerprint": stream.fingerprint[:12],
    }
    return join([tag("dl", *_pairs(facts), class_="facts"), _updates(stream)])


def card(section: Section, row: Row, style: Style) -> Markup:
    """A set-up: its paper, family, hyperparameters, machine, and the command to run it again."""
    records = [run.record for run in section.runs[row.label]]
    method = records[0].method
    # a control's family may be just that
    kinds = dict.fromkeys(filter(None, [method.family, "control" * method.control]))
    granted = f"Granted beyond the protocol: {', '.join(method.granted)}." if method.granted else ""
    paper = tag("p", paper_link(method.paper), class_="paper")
    settings = {key: _value(value) for key, value in flat(records[0].hyperparameters)}
    tuning, flawed = tuning_caption(records), on_test(section, row)
    return tag(
        "article",
        tag("h4", swatch(style), row.label),
        tag("p", " · ".join(kinds), class_="family"),
        paper,
        tag("p", granted) if granted else "",
        tag("p", _uses(records[0])),
        tag("dl", *_pairs(settings), class_="settings"),
        tag("p", tuning, class_="flaw" if flawed else False) if tuning else "",
        _command(command(records)),
        tag("details", tag("summary", "environment"), tag("dl", *_pairs(_environment(records)))),
        class_="card",
    )


def _updates(stream: StreamRecord) -> Markup:
    names = stream.class_names
    head = tag(
        "tr", *(tag("th", name, scope="col") for name in ("update", "kind", "samples", "classes"))
    )
    rows = [
        tag(
            "tr",
            tag("th", str(update.index + 1), scope="row"),
            tag("td", update.kind),
            tag("td", f"{update.samples:,}"),
            tag("td", ", ".join(names[label] for label in update.classes), class_="words"),
        )
        for update in stream.updates
    ]
    table = tag("table", tag("thead", head), tag("tbody", *rows))
    inside = tag("div", table, class_="scroll", tabindex="0", role="region", aria_label="updates")
    return tag("details", tag("summary", "updates one by one"), inside)


def _environment(records: Sequence[RunRecord]) -> dict[str, str]:
    """Where the runs were made; all values where they differ."""
    facts: dict[str, list[str]] = {}
    for record in records:
        own = {
            "seeds": str(record.seed),
            "code of the method": record.method.code[:12],
            "device": record.device,
            "precision": record.precision,
            "threads": str(record.threads),
            "state carried": "yes" if record.carry else "no",
            "form": record.form,
            **record.environment,
        }
        for key, value in own.items():
            facts.setdefault(key, []).append(value)
    return {key: ", ".join(dict.fromkeys(values)) for key, values in facts.items()}


def _uses(record: RunRecord) -> str:
    """What the method keeps, how often it reads an update, and the weights that it rests on."""
    method = record.method
    if method.stores is None or record.pretrained is None:
        return "What it uses was not recorded."
    weights = ", ".join(record.pretrained) or "none"
    return (
        f"Stores {method.stores} of the past. Takes {method.passes} "
        f"{'pass' if method.passes == 'one' else 'passes'}. Pretrained weights: {weights}."
    )


def _command(text: str) -> Markup:
    button = tag("button", "copy", type="button", class_="copy")
    return tag("div", tag("pre", tag("code", text), tabindex="0"), button, class_="command")


def _pairs(facts: dict[str, str]) -> list[Markup]:
    return [tag("div", tag("dt", key), tag("dd", value)) for key, value in facts.items()]


def _value(value: Any) -> str:
    words = {None: "none", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else str(value)


def cards(section: Section, styles: Mapping[str, Style]) -> Markup:
    """The cards of all set-ups on a stream."""
    return join(card(section, row, styles[row.label]) for row in section.rows)
