"""What `clbench list` prints."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from itertools import groupby

from rich.console import Console, RenderableType
from rich.markup import escape
from rich.table import Table

from clbench.catalogue import GROUPS, Item, catalogue
from clbench.errors import unknown

MOST = 3  # properties that leave room for a sentence on each item; `clbench show` has it anyway


def print_catalogue(group: str, *, as_json: bool) -> None:
    """Print what is installed in a group, or in all."""
    known = {str(name): name for name in GROUPS}
    if group != "all" and group not in known:
        raise unknown("group", group, [*known, "all"])
    items = catalogue(GROUPS if group == "all" else [known[group]])
    if as_json:
        print(json.dumps([asdict(item) for item in items], indent=2))
        return
    console = Console()
    for name, members in groupby(items, key=lambda item: item.group):
        console.print(*_parts(name, list(members)), sep="\n")


def _parts(title: str, items: list[Item]) -> Iterator[RenderableType]:
    """The table of a group, and below it what is broken."""
    columns = list(dict.fromkeys(key for item in items for key in item.properties))
    if len(columns) <= MOST:
        columns.append("about")
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("name", *columns):
        table.add_column(column, style="bold cyan" if column == "name" else "", overflow="fold")
    for item in items:
        if not item.broken:
            cells = {**item.properties, "about": item.about}
            table.add_row(escape(item.name), *(escape(cells.get(key, "")) for key in columns))
    yield table
    for item in items:
        if item.broken:
            yield f"[bold cyan]{escape(item.name)}[/] [red]broken: {escape(item.broken)}[/]"
