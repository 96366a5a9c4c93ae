"""What `clbench show` prints."""

import json
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from clbench.details import details


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
