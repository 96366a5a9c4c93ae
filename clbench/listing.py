"""`clbench list` and `clbench show`."""

import json
from dataclasses import asdict
from itertools import groupby
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clbench.catalogue import GROUPS, Item, catalogue
from clbench.details import details
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


def print_details(name: str, *, as_json: bool) -> None:
    """Print all there is to know of one plugin."""
    found = details(name)
    if as_json:
        print(json.dumps(found, indent=2))
        return
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold cyan")
    table.add_column(overflow="fold")
    for key, value in found.items():
        for label, text in _flat(key, value):
            table.add_row(escape(label), escape(text))
    Console().print(table)


def _flat(key: str, value: Any) -> list[tuple[str, str]]:
    """A nested value as rows."""
    if isinstance(value, dict):
        return [(key, ""), *((f"  {k}", _text(v)) for k, v in value.items())] if value else []
    return [(key, _text(value))]


def _text(value: Any) -> str:
    return ", ".join(map(str, value)) or "none" if isinstance(value, list | tuple) else str(value)
