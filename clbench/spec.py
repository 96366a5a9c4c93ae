"""Specs: a plugin with its options in one shell-safe word, `name,key=value,...`.

A value that is itself a spec stands in brackets: `embedded,source=[folder,path=x],backbone=mlp`.
"""

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from clbench.errors import ClbenchError

Value = str | int | float | bool


@dataclass(frozen=True)
class Spec:
    """A name with options, as in `huggingface,path=data/cifar100,label=fine_label`."""

    name: str
    options: dict[str, Value] = field(default_factory=dict)

    def __str__(self) -> str:
        return ",".join(
            [self.name, *(f"{k}={_quoted(v)}" for k, v in sorted(self.options.items()))]
        )


def parse_spec(text: str) -> Spec:
    """Read `name,key=value,...`; numbers and booleans become themselves, the rest stays text."""
    name, *pairs = _split(text)
    options: dict[str, Value] = {}
    for pair in pairs:
        key, equals, value = pair.partition("=")
        if not (equals and key):
            raise ClbenchError(f"option {pair!r} of {text!r} is not of the form key=value")
        options[key] = parse_value(value)
    return Spec(name, options)


def parse_value(text: str) -> Value:
    """A number or boolean if the text is one in Python's or TOML's spelling, else the text."""
    if text.startswith("[") and text.endswith("]"):
        return text[1:-1]
    if text in ("true", "false"):
        return text == "true"
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, int | float | bool | str) else text


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Two nested tables joined; the second wins."""
    both = dict(base)
    for key, value in over.items():
        inner = both.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            value = merged(inner, value)
        both[key] = value
    return both


def flat(table: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Nested values with dotted names."""
    for key, value in table.items():
        if isinstance(value, Mapping):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values with dotted names as a tree: what `flat` undoes."""
    tree: dict[str, Any] = {}
    for name, value in values.items():
        for part in reversed(name.split(".")):
            value = {part: value}
        tree = merged(tree, value)
    return tree


def _quoted(value: Value) -> str:
    return f"[{value}]" if isinstance(value, str) and "," in value else str(value)


def _split(text: str) -> list[str]:
    """Split at the commas that are outside brackets."""
    parts, depth = [""], 0
    for character in text:
        depth += {"[": 1, "]": -1}.get(character, 0)
        if character == "," and depth == 0:
            parts.append("")
        else:
            parts[-1] += character
    if depth != 0:
        raise ClbenchError(f"brackets in {text!r} are not balanced")
    return parts
