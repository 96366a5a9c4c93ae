"""HTML from Python: every text that goes in is escaped here, and nowhere else."""

import html
import json
import re
from collections.abc import Iterable
from typing import Any

from clbench.report.theme import Style

PAPER = re.compile(r"(?:arXiv:)?\b(\d{4}\.\d{4,5})\b|\bdoi:(10\.\d{4,9}/[^\s,;<>\"']+)")
SHAPES = {
    "circle": '<circle cx="8" cy="8" r="5"/>',
    "square": '<path d="M3.5 3.5h9v9h-9z"/>',
    "diamond": '<path d="M8 2l6 6-6 6-6-6z"/>',
    "triangle-up": '<path d="M8 2.5l6 10.5H2z"/>',
    "cross": '<path d="M6 2.5h4V6h3.5v4H10v3.5H6V10H2.5V6H6z"/>',
    "star": '<path d="M8 1.5l1.8 4.4 4.7.4-3.6 3 1.1 4.6L8 11.4l-4 2.5 1.1-4.6-3.6-3 4.7-.4z"/>',
    "pentagon": '<path d="M8 2l6 4.4-2.3 7H4.3L2 6.4z"/>',
}


class Markup(str):
    """Text that is HTML already."""


def tag(name: str, *content: str, **attributes: str | bool) -> Markup:
    """An element; content that is no Markup is escaped, and so are all values of attributes.

    An attribute that is False is left out, `class_` is `class`, `data_x` is `data-x`.
    """
    written = "".join(_attribute(key, value) for key, value in attributes.items())
    inner = join(content)
    return Markup(f"<{name}{written}>{inner}</{name}>")


def join(parts: Iterable[str]) -> Markup:
    """Parts one after the other, escaped where they are no Markup."""
    return Markup(
        "".join(part if isinstance(part, Markup) else html.escape(part) for part in parts)
    )


def script_json(value: Any) -> Markup:
    """JSON that cannot end the script element that it stands in."""
    text = json.dumps(value, allow_nan=False, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def paper_link(paper: str) -> Markup:
    """The words, with a link where they name an arXiv number or a DOI."""
    found = PAPER.search(paper)
    if not found:
        return join([paper])
    site = f"https://arxiv.org/abs/{found[1]}" if found[1] else f"https://doi.org/{found[2]}"
    link = tag("a", found[0], href=site, rel="noreferrer")
    return join([paper[: found.start()], link, paper[found.end() :]])


def swatch(style: Style) -> Markup:
    """The symbol that a method has in the pictures."""
    outlined = style.symbol.endswith("-open")
    fill = f'fill="none" stroke="{style.colour}" stroke-width="2"' if outlined else ""
    shape = SHAPES[style.symbol.removesuffix("-open")]
    drawn = f'<svg class="swatch" viewBox="0 0 16 16" fill="{style.colour}" aria-hidden="true">'
    return Markup(f"{drawn}<g {fill}>{shape}</g></svg>")


def _attribute(key: str, value: str | bool) -> str:
    name = key.rstrip("_").replace("_", "-")
    if isinstance(value, bool):
        return f" {name}" if value else ""
    return f' {name}="{html.escape(value)}"'
