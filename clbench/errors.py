"""Errors that a user can act on: one sentence with what was found and what would be right."""

import difflib
from collections.abc import Iterable


class ClbenchError(Exception):
    """Something the user can put right; the command line prints it and exits with 2."""


def unknown(kind: str, name: str, known: Iterable[str]) -> ClbenchError:
    """The error for a name that does not exist, with the nearest names that do."""
    options = sorted(known)
    near = difflib.get_close_matches(name, options, n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"known: {listing(options)}"
    return ClbenchError(f"unknown {kind} {name!r}; {hint}")


def listing(names: Iterable[str]) -> str:
    """Names in a sentence; `none` when there are none."""
    return ", ".join(names) or "none"
