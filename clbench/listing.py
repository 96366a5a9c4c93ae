"""What `clbench list` prints."""

import json
from dataclasses import asdict
from itertools import groupby

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clbench.catalogue import GROUPS, Item, catalogue
from clbench.errors import unknown


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
        console.print(_table(name, list(members)))


def _table(title: str, items: list[Item]) -> Table:
    columns = list(dict.fromkeys(key for item in items for key in item.properties))
    table = Table(title=title, title_justify="left", title_style="bold", box=None, pad_edge=False)
    for column in ("name", *columns, "about"):
        table.add_column(column, style="bold cyan" if column == "name" else "", overflow="fold")
    for item in items:
        about = f"[red]broken: {escape(item.broken)}[/]" if item.broken else escape(item.about)
        cells = [escape(item.properties.get(column, "")) for column in columns]
        table.add_row(escape(item.name), *cells, about)
    return table
