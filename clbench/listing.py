"""What `clbench list` prints."""

import json
from dataclasses import asdict
from itertools import groupby

from rich.cells import cell_len, set_cell_size
from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from clbench.catalogue import GROUPS, Item, catalogue
from clbench.errors import unknown

MOST = 2  # properties that leave room for what an item is about; `clbench list` says that, too
NAME = "bold cyan"


def print_catalogue(group: str, *, as_json: bool) -> None:
    """Print what is installed in a group, with its properties, or in all, a line each."""
    known = {str(name): name for name in GROUPS}
    if group != "all" and group not in known:
        raise unknown("group", group, [*known, "all"])
    items = catalogue(GROUPS if group == "all" else [known[group]])
    if as_json:
        print(json.dumps([asdict(item) for item in items], indent=2))
        return
    console = Console()
    if group == "all":
        width = console.width if console.is_terminal else None  # another program reads it whole
        console.print(_overview(items, width), soft_wrap=True)
        return
    console.print(_table(group, [item for item in items if not item.broken]))
    for item in items:
        if item.broken:
            console.print(_broken(item))


def _overview(items: list[Item], width: int | None) -> Text:
    """Names, and what they are about as far as the width allows.

    One text: a table of hundreds of rows takes longer to render than they take to be found.
    """
    text = Text()
    for group, members in groupby(items, key=lambda item: item.group):
        rows = list(members)
        first = max(cell_len(item.name) for item in rows) + 2
        text.append(f"{group}\n", "bold")
        for item in rows:
            text.append_text(_broken(item) if item.broken else _line(item, first, width))
            text.append("\n")
        text.append("\n")
    return text.append("Properties: clbench list GROUP. All of one: clbench show NAME.")


def _line(item: Item, first: int, width: int | None) -> Text:
    about = item.about
    if width is not None and first + cell_len(about) > width:
        about = set_cell_size(about, max(width - first - 1, 0)).rstrip() + "…"
    return Text.assemble((set_cell_size(item.name, first), NAME), about)


def _broken(item: Item) -> Text:
    return Text.assemble((item.name, NAME), (f" broken: {item.broken}", "red"))


def _table(title: str, items: list[Item]) -> Table:
    columns = list(dict.fromkeys(key for item in items for key in item.properties))
    if len(columns) <= MOST:
        columns.append("about")
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("name", style=NAME, no_wrap=True)
    cells = [dict.fromkeys(columns, "") | item.properties | {"about": item.about} for item in items]
    for column in columns:
        table.add_column(column, overflow="fold", no_wrap=_words({row[column] for row in cells}))
    for item, row in zip(items, cells, strict=True):
        table.add_row(escape(item.name), *(escape(row[key]) for key in columns))
    return table


def _words(cells: set[str]) -> bool:
    """Whether a column is of single short words, which are not to be broken."""
    return all(len(cell) < 15 and " " not in cell for cell in cells)
