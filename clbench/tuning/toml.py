"""Trees of tables as TOML, which the standard library reads and does not write."""

import json
from collections.abc import Mapping
from typing import Any


def to_toml(tree: Mapping[str, Any]) -> str:
    """Nested tables of text, numbers, truth values and lists of these, with a heading each."""
    return "\n".join(_lines(tree)).strip() + "\n"


def _lines(table: Mapping[str, Any], path: tuple[str, ...] = ()) -> list[str]:
    """A tree of tables as lines of TOML: values first, then a heading for each table."""
    values = [f"{_key(k)} = {json.dumps(v)}" for k, v in table.items() if not isinstance(v, dict)]
    heading = ["", f"[{'.'.join(map(_key, path))}]"] if path and (values or not table) else []
    lines = heading + values
    for key, value in table.items():
        if isinstance(value, dict):
            lines += _lines(value, (*path, key))
    return lines


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else json.dumps(name)
